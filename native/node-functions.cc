#include "node-functions.h"

#include "symbols.h"

const NodeFunctions& Node() {
  static const NodeFunctions functions = [] {
    NodeFunctions node{};
    Resolve(node.current_environment, "_ZN4node21GetCurrentEnvironmentEN2v85LocalINS0_7ContextEEE");
    Resolve(node.at_exit, "_ZN4node6AtExitEPNS_11EnvironmentEPFvPvES2_");
    Resolve(node.platform_of, "_ZN4node23GetMultiIsolatePlatformEPNS_11EnvironmentE");
    Resolve(node.create_allocator, "_ZN4node26CreateArrayBufferAllocatorEv");
    Resolve(node.free_allocator, "_ZN4node24FreeArrayBufferAllocatorEPNS_20ArrayBufferAllocatorE");
    Resolve(node.new_isolate,
            "_ZN4node10NewIsolateEPNS_20ArrayBufferAllocatorEP9uv_loop_sPNS_20MultiIsolatePlatformEPKNS_"
            "20EmbedderSnapshotDataERKNS_15IsolateSettingsE");
    Resolve(node.dispose_isolate, "_ZN4node20MultiIsolatePlatform14DisposeIsolateEPN2v87IsolateE");
    Resolve(node.unregister_isolate, "_ZN4node12NodePlatform17UnregisterIsolateEPN2v87IsolateE");
    Resolve(node.loop_size, "uv_loop_size");
    Resolve(node.loop_init, "uv_loop_init");
    Resolve(node.loop_run, "uv_run");
    Resolve(node.loop_close, "uv_loop_close");
    return node;
  }();
  return functions;
}

Environment* CurrentEnvironment() {
  const V8Functions& v8 = V8();
  if (!Node().current_environment || !v8.isolate_get_current || !v8.get_current_context) return nullptr;
  void** context = v8.get_current_context(v8.isolate_get_current());
  return context ? Node().current_environment(context) : nullptr;
}
