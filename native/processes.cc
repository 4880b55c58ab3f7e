// Ends this process after a time.
#include <unistd.h>

#include "node-api.h"
#include "subjects.h"

namespace {

// endAfter(seconds): ends this process then, also in the middle of a synchronous compilation
napi_value EndAfter(napi_env env, napi_callback_info info) {
  napi_value args[1];
  uint32_t seconds = 0;
  if (!Arguments(env, info, args) || !Uint32Of(env, args[0], seconds)) {
    return ThrowTypeError(env, "Expected a number of seconds");
  }
  alarm(seconds);
  return Undefined(env);
}

}  // namespace

void ExportProcesses(napi_env env, napi_value exports) { ExportFunction(env, exports, "endAfter", EndAfter); }
