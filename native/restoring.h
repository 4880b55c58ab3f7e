#pragma once

#include <node_api.h>

#include "v8.h"

// A module that V8 is about to restore: V8 has a copy of the wire bytes and waits for the native code. Ends with Finish
// or Abort. Needs V8().can_deserialize().
class Restoring {
 public:
  static constexpr napi_type_tag tag{0x2f0a9d7be4c84113, 0xa6c0537f1e92d84b};

  Restoring();
  explicit Restoring(ByteSpan wire_bytes);
  Restoring(const Restoring&) = delete;
  Restoring& operator=(const Restoring&) = delete;
  ~Restoring() { Abort(); }

  // More wire bytes, of which V8 makes a copy.
  void Add(ByteSpan wire_bytes);

  // The module, or undefined when V8 refuses.
  napi_value Finish(napi_env env, ByteSpan native_code);

  // The same in an isolate of the addon's own, whose thread this is. False when V8 refuses.
  bool FinishIn(Isolate* isolate, ByteSpan native_code, CompiledWasmModule& out);

  void Abort();

 private:
  void End();

  WasmModuleCompilation compilation_;
  bool is_over_ = false;
};
