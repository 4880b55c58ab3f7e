// V8's flags.
//
// They belong to the process, and their hash is part of the native code that V8 writes and accepts. A thread that
// changes them for a moment keeps out all others that need them unchanged.
#include "flags.h"

#include <atomic>
#include <string>

#include "node-api.h"
#include "subjects.h"
#include "v8.h"

namespace {

std::shared_mutex& FlagsMutex() {
  static auto* mutex = new std::shared_mutex();
  return *mutex;
}

// One flag. The one before it keeps V8 from ending the process with --exit-on-contradictory-flags or
// --abort-on-contradictory-flags, because a flag is set twice. V8 resets it itself.
void SetV8Flag(const char* flag) {
  std::string flags = std::string("--allow-overwriting-for-next-flag ") + flag;
  V8().set_flags_from_string(flags.data(), flags.size());
}

// Returns the callback's result. Null when it throws.
napi_value Call(napi_env env, napi_value callback) {
  napi_value result = nullptr;
  napi_call_function(env, Undefined(env), callback, 0, nullptr, &result);
  return result;
}

// changeFlag(set: string, reset: string, callback): a flag is set while the callback runs, and then set back. The
// callback must not do that itself: in a worker that is terminated no `finally` runs. It is set back always, because
// V8's hash of its flags does not tell whether it was set before (see VersionTag).
napi_value ChangeFlag(napi_env env, napi_callback_info info) {
  napi_value args[3];
  std::string set;
  std::string reset;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], set) || !StringOf(env, args[1], reset)) {
    return ThrowTypeError(env, "Expected two strings and a function");
  }
  ChangedFlags flags(set.c_str(), reset.c_str());
  return Call(env, args[2]);
}

// withSteadyFlags(callback): calls back while no other thread is in changeFlag
napi_value WithSteadyFlags(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args)) return ThrowTypeError(env, "Expected a function");
  const SteadyFlags steady;
  return Call(env, args[0]);
}

// setFlag(string), as v8.setFlagsFromString(), but one flag only
napi_value SetFlag(napi_env env, napi_callback_info info) {
  napi_value args[1];
  std::string flags;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], flags)) return ThrowTypeError(env, "Expected a string");
  SetV8Flag(flags.c_str());
  return Undefined(env);
}

// The tag after V8 was made to hash its flags again, which it does after any change. This flag is for V8's own tests
// only.
uint32_t FreshVersionTag() {
  SetV8Flag("--testing-int-flag=14");
  SetV8Flag("--testing-int-flag=13");  // V8's default
  return V8().cached_data_version_tag();
}

// versionTag() -> number, as v8.cachedDataVersionTag(), but of the flags as they are. Not to be called in changeFlag
// or withSteadyFlags, which hold the mutex.
//
// V8 keeps the hash of its flags, and every thread that starts may compute it. If it does so while the flags are
// changed, it stores the wrong hash after they were set back, and that hash stays. So a tag that differs from the last
// one is believed only when V8 computes it twice.
napi_value VersionTag(napi_env env, napi_callback_info) {
  static std::atomic<uint32_t> last{0};
  uint32_t tag = 0;
  {
    std::shared_lock<std::shared_mutex> lock(FlagsMutex());
    tag = V8().cached_data_version_tag();
  }
  if (tag != last) {
    std::unique_lock<std::shared_mutex> lock(FlagsMutex());
    do {
      last = tag;
      tag = FreshVersionTag();
    } while (tag != last);
  }
  return Uint32(env, tag);
}

}  // namespace

ChangedFlags::ChangedFlags(const char* set, const char* reset) : lock_(FlagsMutex()), reset_(reset) { SetV8Flag(set); }

ChangedFlags::~ChangedFlags() { SetV8Flag(reset_); }

SteadyFlags::SteadyFlags() : lock_(FlagsMutex()) {}

void ExportFlags(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "versionTag", VersionTag);
  ExportFunction(env, exports, "setFlag", SetFlag);
  ExportFunction(env, exports, "changeFlag", ChangeFlag);
  ExportFunction(env, exports, "withSteadyFlags", WithSteadyFlags);
}
