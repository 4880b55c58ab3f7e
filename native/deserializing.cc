// From native code and wire bytes to a WebAssembly.Module, at once or in two steps.
#include "digests.h"
#include "external.h"
#include "restoring.h"
#include "subjects.h"
#include "thread.h"

namespace {

// deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array) -> WebAssembly.Module, or undefined when V8 refuses
napi_value Deserialize(napi_env env, napi_callback_info info) {
  napi_value args[2];
  ByteSpan native_code{};
  ByteSpan wire_bytes{};
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], native_code) || !BytesOf(env, args[1], wire_bytes)) {
    return ThrowTypeError(env, "Expected two Uint8Arrays: native code and wire bytes");
  }
  if (!V8().can_deserialize()) return Undefined(env);
  return Restoring(wire_bytes).Finish(env, native_code);
}

// receive(wireBytes: Uint8Array) -> [its SHA-256, what finish and abort take], or undefined as sha256. Another thread
// computes the hash while this one copies the bytes for V8, which takes as long.
napi_value Receive(napi_env env, napi_callback_info info) {
  struct Work {
    ByteSpan bytes;
    Sha256Digest digest;
    bool is_done;
  } work{};
  napi_value args[1];
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], work.bytes)) {
    return ThrowTypeError(env, "Expected a Uint8Array");
  }
  if (!V8().can_deserialize()) return Undefined(env);
  auto run = [](void* data) -> void* {
    auto* work = static_cast<Work*>(data);
    work->is_done = ComputeSha256(work->bytes, work->digest);
    return nullptr;
  };
  Thread thread;
  bool has_thread = work.bytes.size >= kWorthAThread && thread.Start(run, &work);
  auto restoring = std::make_unique<Restoring>(work.bytes);
  if (!has_thread) run(&work);
  thread.Join();
  if (!work.is_done) return Undefined(env);
  return Array(env, {CopyToBuffer(env, {work.digest, sizeof work.digest}), OwnedExternal(env, std::move(restoring))});
}

// finish(what receive gave, nativeCode: Uint8Array) -> WebAssembly.Module, or undefined when V8 refuses
napi_value Finish(napi_env env, napi_callback_info info) {
  napi_value args[2];
  Restoring* restoring = nullptr;
  ByteSpan native_code{};
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], restoring) || !BytesOf(env, args[1], native_code)) {
    return ThrowTypeError(env, "Expected what receive() gave and a Uint8Array: native code");
  }
  return restoring->Finish(env, native_code);
}

// abort(what receive gave)
napi_value Abort(napi_env env, napi_callback_info info) {
  napi_value args[1];
  Restoring* restoring = nullptr;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], restoring)) {
    return ThrowTypeError(env, "Expected what receive() gave");
  }
  restoring->Abort();
  return Undefined(env);
}

}  // namespace

void ExportDeserializing(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "deserialize", Deserialize);
  ExportFunction(env, exports, "receive", Receive);
  ExportFunction(env, exports, "finish", Finish);
  ExportFunction(env, exports, "abort", Abort);
}
