#include "restoring.h"

#include <memory>

#include "node-api.h"

Restoring::Restoring() {
  V8().compilation_construct(&compilation_);
  V8().compilation_set_has_compiled_module_bytes(&compilation_);  // V8 aborts when this comes after the first bytes
}

Restoring::Restoring(ByteSpan wire_bytes) : Restoring() { Add(wire_bytes); }

void Restoring::Add(ByteSpan wire_bytes) {
  V8().compilation_on_bytes_received(&compilation_, wire_bytes.data, wire_bytes.size);
}

napi_value Restoring::Finish(napi_env env, ByteSpan native_code) {
  if (is_over_) return Undefined(env);
  // V8 keeps the second callback. When it refuses the native code it compiles in the background, and calls that
  // callback from the event loop, long after this function returned. So the callback owns what it touches.
  struct Result {
    bool is_over = false;
    napi_ref module = nullptr;
  };
  auto result = std::make_shared<Result>();
  bool accepted = false;
  V8().compilation_finish(
      &compilation_, V8().isolate_get_current(),
      [&](ModuleCachingInterface& caching) { accepted = caching.SetCachedCompiledModuleBytes(native_code); },
      [env, result](std::variant<Local<0>, Local<1>> outcome) {
        if (result->is_over || outcome.index() != 0) return;
        // The slot belongs to a handle scope that V8 closes when this callback returns. A reference outlives it.
        napi_create_reference(env, reinterpret_cast<napi_value>(std::get<0>(outcome).slot), 1, &result->module);
      });
  End();
  result->is_over = true;

  if (!result->module) return Undefined(env);
  napi_value module = nullptr;
  napi_get_reference_value(env, result->module, &module);
  napi_delete_reference(env, result->module);
  return accepted && IsModule(module) ? module : Undefined(env);
}

bool Restoring::FinishIn(Isolate* isolate, ByteSpan native_code, CompiledWasmModule& out) {
  if (is_over_) return false;
  // Owned by the callback, as in Finish.
  struct Result {
    bool is_over = false;
    CompiledWasmModule compiled;
  };
  auto result = std::make_shared<Result>();
  bool accepted = false;
  V8().compilation_finish(
      &compilation_, isolate,
      [&](ModuleCachingInterface& caching) { accepted = caching.SetCachedCompiledModuleBytes(native_code); },
      [result](std::variant<Local<0>, Local<1>> outcome) {
        if (result->is_over || outcome.index() != 0) return;
        result->compiled = V8().get_compiled_module(std::get<0>(outcome).slot);
      });
  End();
  result->is_over = true;
  out = std::move(result->compiled);
  return accepted && out.native_module;
}

void Restoring::Abort() {
  if (is_over_) return;
  V8().compilation_abort(&compilation_);
  End();
}

void Restoring::End() {
  V8().compilation_destruct(&compilation_);
  is_over_ = true;
}
