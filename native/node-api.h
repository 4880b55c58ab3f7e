// Shorthands for Node-API: arguments in, values out.
#pragma once

#include <node_api.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "byte-span.h"

inline napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

inline napi_value Boolean(napi_env env, bool boolean) {
  napi_value value = nullptr;
  napi_get_boolean(env, boolean, &value);
  return value;
}

inline napi_value Uint32(napi_env env, uint32_t number) {
  napi_value value = nullptr;
  napi_create_uint32(env, number, &value);
  return value;
}

inline napi_value Double(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

inline napi_value String(napi_env env, const char* text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

inline napi_value Array(napi_env env, const std::vector<napi_value>& elements) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, elements.size(), &array);
  for (uint32_t i = 0; i < elements.size(); ++i) napi_set_element(env, array, i, elements[i]);
  return array;
}

inline napi_value Uint32Array(napi_env env, const std::vector<uint32_t>& numbers) {
  size_t size = numbers.size() * sizeof(uint32_t);
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, size, &data, &buffer) != napi_ok) return Undefined(env);
  if (size > 0) std::memcpy(data, numbers.data(), size);
  napi_create_typedarray(env, napi_uint32_array, numbers.size(), buffer, 0, &array);
  return array;
}

inline napi_value CopyToBuffer(napi_env env, ByteSpan bytes) {
  napi_value buffer = nullptr;
  if (napi_create_buffer_copy(env, bytes.size, bytes.data, nullptr, &buffer) == napi_ok) return buffer;
  napi_throw_error(env, nullptr, "Could not allocate a buffer");
  return nullptr;
}

inline napi_value ThrowTypeError(napi_env env, const char* message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return nullptr;
}

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

inline bool StringOf(napi_env env, napi_value value, std::string& out) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return false;
  out.resize(length);
  return napi_get_value_string_utf8(env, value, out.data(), length + 1, &length) == napi_ok;
}

inline bool StringsOf(napi_env env, napi_value array, std::vector<std::string>& out) {
  uint32_t length = 0;
  if (napi_get_array_length(env, array, &length) != napi_ok) return false;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value value = nullptr;
    std::string text;
    if (napi_get_element(env, array, i, &value) != napi_ok || !StringOf(env, value, text)) return false;
    out.push_back(std::move(text));
  }
  return true;
}

inline bool Uint32Of(napi_env env, napi_value value, uint32_t& out) {
  return napi_get_value_uint32(env, value, &out) == napi_ok;
}

inline bool BooleanOf(napi_env env, napi_value value, bool& out) {
  return napi_get_value_bool(env, value, &out) == napi_ok;
}

inline void Export(napi_env env, napi_value exports, const char* name, napi_value value) {
  napi_set_named_property(env, exports, name, value);
}

inline void ExportFunction(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  Export(env, exports, name, function);
}
