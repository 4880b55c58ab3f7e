// The addon: what it exports on this platform.
#include <node_api.h>

#include "node-api.h"

// Windows (another C++ ABI) and musl (another build of libstdc++ than that of Node's official binaries) have not been
// proven. Deserialising does not work on macOS, whose mangled names differ.
#if defined(__GLIBC__) || defined(__APPLE__)

#include <dlfcn.h>

#include "subjects.h"
#include "threads-of-node.h"
#include "v8.h"

namespace {

// Node unloads an addon when the last thread that loaded it ends, if that is a worker. But its own threads may still
// run its code.
void StayLoaded() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&StayLoaded), &self) != 0) dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

napi_value Init(napi_env env, napi_value exports) {
  StayLoaded();
  ThreadStarts(env);
  Export(env, exports, "canSerialize", Boolean(env, V8().can_serialize()));
  Export(env, exports, "canDeserialize", Boolean(env, V8().can_deserialize()));
  ExportAddressSpace(env, exports);
  ExportArtifactFile(env, exports);
  ExportBackground(env, exports);
  ExportCutting(env, exports);
  ExportDigests(env, exports);
  ExportLoadGuard(env, exports);
  ExportPriority(env, exports);
  ExportProcesses(env, exports);
  ExportProcessSettings(env, exports);
  ExportRecords(env, exports);
  ExportTrustedFiles(env, exports);
  if (V8().can_serialize()) {
    ExportDeserializing(env, exports);
    ExportFlags(env, exports);
    ExportModules(env, exports);
    ExportPreload(env, exports);
    ExportAnalysis(env, exports);
    ExportRetiering(env, exports);
    ExportSharedModules(env, exports);
    ExportUnsavedModules(env, exports);
  }
  return exports;
}

}  // namespace

#else

namespace {

napi_value Init(napi_env env, napi_value exports) {
  Export(env, exports, "unsupportedReason", String(env, "V8's native code is supported on neither Windows nor musl"));
  return exports;
}

}  // namespace

#endif

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
