// The native code and the wire bytes of a live WebAssembly.Module.
#include <cstring>

#include "node-api.h"
#include "subjects.h"
#include "v8.h"

namespace {

// serialize(module) -> Buffer, or undefined when V8 has optimised nothing yet
napi_value Serialize(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  CompiledWasmModule compiled = CompiledModuleOf(args[0]);
  OwnedBuffer native_code = V8().serialize(&compiled);
  if (native_code.size == 0) return Undefined(env);
  // Handed over, not copied: copying 10 MB takes as long as serialising them.
  auto* bytes = const_cast<uint8_t*>(native_code.bytes.release());
  napi_value buffer = nullptr;
  auto free_bytes = [](napi_env, void* data, void*) { delete[] static_cast<const uint8_t*>(data); };
  if (napi_create_external_buffer(env, native_code.size, bytes, free_bytes, nullptr, &buffer) == napi_ok) return buffer;
  buffer = CopyToBuffer(env, {bytes, native_code.size});
  delete[] bytes;
  return buffer;
}

// wireBytes(module) -> Buffer
napi_value WireBytes(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  CompiledWasmModule compiled = CompiledModuleOf(args[0]);
  return CopyToBuffer(env, V8().get_wire_bytes_ref(&compiled));
}

// hasWireBytes(module, Uint8Array) -> boolean: whether the module was compiled from exactly these bytes
napi_value HasWireBytes(napi_env env, napi_callback_info info) {
  napi_value args[2];
  ByteSpan bytes{};
  if (!Arguments(env, info, args) || !IsModule(args[0]) || !BytesOf(env, args[1], bytes)) {
    return ThrowTypeError(env, "Expected a WebAssembly.Module and a Uint8Array");
  }
  CompiledWasmModule compiled = CompiledModuleOf(args[0]);
  ByteSpan wire_bytes = V8().get_wire_bytes_ref(&compiled);
  return Boolean(env, wire_bytes.size == bytes.size && std::memcmp(wire_bytes.data, bytes.data, bytes.size) == 0);
}

// clone(module) -> a new WebAssembly.Module over the same native code, as posting it would give
napi_value Clone(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  return ToModule(env, CompiledModuleOf(args[0]));
}

}  // namespace

void ExportModules(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "serialize", Serialize);
  ExportFunction(env, exports, "wireBytes", WireBytes);
  ExportFunction(env, exports, "hasWireBytes", HasWireBytes);
  ExportFunction(env, exports, "clone", Clone);
}
