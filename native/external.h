// C++ objects in JavaScript's hands. Each class has a type tag of its own (`static constexpr napi_type_tag tag`), so
// that an object of another class or of another addon is refused, and never cast.
#pragma once

#include <memory>

#include "node-api.h"

template <typename T>
napi_value TaggedExternal(napi_env env, T* object, napi_finalize finalize) {
  napi_value external = nullptr;
  if (napi_create_external(env, object, finalize, nullptr, &external) != napi_ok) return nullptr;
  napi_type_tag_object(env, external, &T::tag);
  return external;
}

// An object that goes with its JavaScript value.
template <typename T>
napi_value OwnedExternal(napi_env env, std::unique_ptr<T> object) {
  auto finalize = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
  napi_value external = TaggedExternal(env, object.get(), finalize);
  if (!external) return Undefined(env);
  object.release();
  return external;
}

template <typename T>
bool ExternalOf(napi_env env, napi_value value, T*& out) {
  napi_valuetype type;
  bool is_tagged = false;
  void* data = nullptr;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_external ||
      napi_check_object_type_tag(env, value, &T::tag, &is_tagged) != napi_ok || !is_tagged ||
      napi_get_value_external(env, value, &data) != napi_ok) {
    return false;
  }
  out = static_cast<T*>(data);
  return true;
}
