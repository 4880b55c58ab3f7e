// An isolate of V8 for a thread of the addon's own. It holds native modules that the program has too; it runs no
// program.
#pragma once

#include <memory>
#include <vector>

#include "node-functions.h"
#include "restoring.h"
#include "v8.h"

class HelperIsolate {
 public:
  // Whether this Node has what it takes. On a thread of JavaScript, in a call from it.
  static bool IsAvailable(napi_env env);

  // On the thread that uses and destructs it. The process must not end meanwhile: see AtEndOfProcess.
  explicit HelperIsolate(Platform* platform);
  HelperIsolate(const HelperIsolate&) = delete;
  HelperIsolate& operator=(const HelperIsolate&) = delete;
  ~HelperIsolate();

  // The isolate of this native module, too, from now on.
  bool Hold(const CompiledWasmModule& compiled);

  // Restores a module. False when V8 refuses the native code. Needs V8().can_deserialize().
  bool Restore(Restoring& restoring, ByteSpan native_code, CompiledWasmModule& out);

  // A script of V8's intrinsics. Null when V8 does not know one of them.
  void** Compile(const char* script);
  bool Run(void** script);

  Isolate* isolate() const { return isolate_; }

 private:
  // v8::HandleScope. Its constructor is exported up to Node 24; from then on it is inline, and works on this data.
  struct HandleScopeData {
    void** next;
    void** limit;
    int level;
    int sealed_level;
  };
  static HandleScopeData* DataOf(Isolate* isolate);
  void OpenHandleScope();
  void CloseHandleScope();

  Platform* platform_;
  std::unique_ptr<char[]> loop_;
  ArrayBufferAllocator* allocator_ = nullptr;
  Isolate* isolate_ = nullptr;
  alignas(16) char locker_[64] = {};        // v8::Locker: 16 bytes
  alignas(16) char handle_scope_[64] = {};  // v8::HandleScope: 24 bytes
  HandleScopeData before_{};
  void** context_ = nullptr;
};
