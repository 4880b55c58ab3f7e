// What all parts of the addon share: values of JavaScript, functions of Node's binary, threads.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

// Windows (another C++ ABI) and musl (another libstdc++ build than Node's official binaries) have not been proven.
// macOS is left out of the deserialising door only by its mangled names; nothing here forbids it.
#if defined(__GLIBC__) || defined(__APPLE__)
#define WMC_PLATFORM_SUPPORTED 1
#include <dlfcn.h>
#include <pthread.h>
#else
#define WMC_PLATFORM_SUPPORTED 0
#endif

inline napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

inline napi_value ThrowTypeError(napi_env env, const char* message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return nullptr;
}

struct ByteSpan {
  const uint8_t* data;
  size_t size;
};

template <size_t N>
bool Arguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  return napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok && count == N;
}

// The elements of a typed array of exactly this type.
template <typename T>
bool ElementsOf(napi_env env, napi_value value, napi_typedarray_type expected, const T*& elements, size_t& count) {
  bool is_typed_array = false;
  if (napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array) return false;
  napi_typedarray_type type;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &count, &data, nullptr, nullptr) != napi_ok) return false;
  elements = static_cast<const T*>(data);
  return type == expected;
}

inline bool BytesOf(napi_env env, napi_value value, ByteSpan& out) {
  return ElementsOf(env, value, napi_uint8_array, out.data, out.size);
}

inline napi_value CopyToBuffer(napi_env env, const uint8_t* bytes, size_t size) {
  napi_value buffer = nullptr;
  if (napi_create_buffer_copy(env, size, bytes, nullptr, &buffer) != napi_ok) {
    napi_throw_error(env, nullptr, "Could not allocate a buffer");
    return nullptr;
  }
  return buffer;
}

inline bool StringOf(napi_env env, napi_value value, std::string& out) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return false;
  out.resize(length);
  return napi_get_value_string_utf8(env, value, out.data(), length + 1, &length) == napi_ok;
}

template <typename T>
bool ExternalOf(napi_env env, napi_value value, T*& out) {
  napi_valuetype type;
  void* data = nullptr;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_external) return false;
  if (napi_get_value_external(env, value, &data) != napi_ok) return false;
  out = static_cast<T*>(data);
  return true;
}

#if WMC_PLATFORM_SUPPORTED

template <typename F>
void Resolve(F& function, const char* symbol) {
  function = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, symbol));
}

// Not std::thread, which ends the process when there can be no more threads.
inline bool StartDetachedThread(void* (*run)(void*), void* data) {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, run, data) != 0) return false;
  pthread_detach(thread);
  return true;
}

#endif
