// The settings of the process, for its workers: a worker with an environment of its own does not see the process's
// variables, and no JavaScript value is shared by all threads.
#include <mutex>
#include <string>

#include "node-api.h"
#include "subjects.h"

namespace {

struct ProcessSettings {
  std::mutex mutex;
  std::string text;
};

// Never destructed: threads may still read them when the process calls its destructors.
ProcessSettings& Settings() {
  static auto* settings = new ProcessSettings();
  return *settings;
}

// setProcessSettings(text: string)
napi_value SetProcessSettings(napi_env env, napi_callback_info info) {
  napi_value args[1];
  std::string text;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], text)) return ThrowTypeError(env, "Expected a string");
  std::lock_guard<std::mutex> lock(Settings().mutex);
  Settings().text.swap(text);
  return Undefined(env);
}

// processSettings() -> what was set last; an empty string when nothing was
napi_value GetProcessSettings(napi_env env, napi_callback_info) {
  std::string text;
  {
    std::lock_guard<std::mutex> lock(Settings().mutex);
    text = Settings().text;
  }
  return String(env, text.c_str());
}

}  // namespace

void ExportProcessSettings(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "setProcessSettings", SetProcessSettings);
  ExportFunction(env, exports, "processSettings", GetProcessSettings);
}
