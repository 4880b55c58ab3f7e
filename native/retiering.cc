// Re-tiering: drops the code that was restored for a module, while the program runs, so that V8 optimises the module
// anew, with feedback and inlining. V8 itself never optimises restored code again (docs/v8.md).
//
// One thread waits for all modules of the process. It has an isolate of its own, which it opens only when a module is
// due: a program may compute for an hour without ever returning to JavaScript, and V8 drops the code of a native module
// for all isolates that share it. Functions that are running keep their code until they are called anew.
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

#include "condition.h"
#include "flags.h"
#include "helper-isolate.h"
#include "node-api.h"
#include "subjects.h"
#include "thread.h"
#include "threads-of-node.h"

namespace {

constexpr int64_t kNever = INT64_MAX;

// Milliseconds between two looks at the CPU time that the process has used. It cannot have used more than all
// processors together, of which few are busy in most programs.
constexpr int64_t kShortestWait = 20, kLongestWait = 1000, kBusyProcessors = 4;

int64_t CpuMilliseconds() {
  timespec used{};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0) return 0;
  return int64_t{used.tv_sec} * 1000 + used.tv_nsec / 1'000'000;
}

class Retiering {
 public:
  static Retiering& Instance() {
    static auto* instance = new Retiering();  // never destructed: its thread may run when the process calls destructors
    return *instance;
  }

  // Drops the code when the process has used that much CPU time from now on. Once for each native module.
  // False where there can be no thread.
  bool Watch(const CompiledWasmModule& compiled, int64_t milliseconds) {
    std::lock_guard<std::mutex> lock(mutex_);
    Forget();
    if (Find(compiled)) return true;
    watched_.push_back({compiled.native_module, compiled.source_url, CpuMilliseconds() + milliseconds, 0});
    return Start();
  }

  // Drops it at once, whatever happened to it before.
  bool Drop(const CompiledWasmModule& compiled) {
    std::lock_guard<std::mutex> lock(mutex_);
    Forget();
    if (Watched* found = Find(compiled)) {
      found->due = 0;
    } else {
      watched_.push_back({compiled.native_module, compiled.source_url, 0, 0});
    }
    return Start();
  }

  // How often this module's code was dropped.
  uint32_t DropsOf(const CompiledWasmModule& compiled) {
    std::lock_guard<std::mutex> lock(mutex_);
    const Watched* found = Find(compiled);
    return found ? found->drops : 0;
  }

  void set_platform(Platform* platform) { platform_ = platform; }

  void Stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      has_ended_ = true;
    }
    wake_.Signal();
    thread_.Join();
  }

 private:
  struct Watched {
    std::weak_ptr<void> native_module;  // the program decides how long it lives
    std::string source_url;
    int64_t due;  // CPU milliseconds of the process
    uint32_t drops;
  };

  Retiering() {
    AtEndOfProcess([] { Instance().Stop(); });
  }

  Watched* Find(const CompiledWasmModule& compiled) {
    for (Watched& watched : watched_) {
      if (!watched.native_module.owner_before(compiled.native_module) &&
          !compiled.native_module.owner_before(watched.native_module)) {
        return &watched;
      }
    }
    return nullptr;
  }

  void Forget() {
    auto is_gone = [](const Watched& watched) { return watched.native_module.expired(); };
    watched_.erase(std::remove_if(watched_.begin(), watched_.end(), is_gone), watched_.end());
  }

  bool Start() {
    if (has_ended_ || !platform_) return false;
    if (!thread_.is_running()) {
      auto run = [](void* self) -> void* {
        static_cast<Retiering*>(self)->Run();
        return nullptr;
      };
      if (!thread_.Start(run, this)) return false;
    }
    wake_.Signal();
    return true;
  }

  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!has_ended_) {
      int64_t now = CpuMilliseconds();
      int64_t next = kNever;
      std::vector<CompiledWasmModule> due;
      for (Watched& watched : watched_) {
        if (watched.due > now) {
          next = std::min(next, watched.due);
          continue;
        }
        watched.due = kNever;
        ++watched.drops;
        if (auto native_module = watched.native_module.lock()) due.push_back({native_module, watched.source_url});
      }
      if (!due.empty()) {
        lock.unlock();
        DropAll(due);
        due.clear();
        lock.lock();
        continue;
      }
      if (next == kNever) {
        wake_.Wait(lock);
      } else {
        wake_.WaitFor(lock, std::clamp((next - now) / kBusyProcessors, kShortestWait, kLongestWait));
      }
    }
  }

  // Entering the debug state removes all code of the modules that the isolate holds, and leaving it removes what was
  // compiled for the debugger meanwhile.
  void DropAll(const std::vector<CompiledWasmModule>& modules) {
    const V8Functions& v8 = V8();
    HelperIsolate helper(platform_);
    for (const CompiledWasmModule& compiled : modules) helper.Hold(compiled);
    if (v8.enter_debugging && v8.leave_debugging) {
      v8.enter_debugging(helper.isolate());
      v8.leave_debugging(helper.isolate());
      return;
    }
    void** enter = nullptr;
    void** leave = nullptr;
    {
      ChangedFlags flags("--allow-natives-syntax", "--no-allow-natives-syntax");
      enter = helper.Compile("%WasmEnterDebugging()");
      leave = helper.Compile("%WasmLeaveDebugging()");
    }
    if (!enter || !leave) return;
    helper.Run(enter);
    helper.Run(leave);
  }

  std::mutex mutex_;
  Condition wake_;
  Thread thread_;
  Platform* platform_ = nullptr;
  std::vector<Watched> watched_;
  bool has_ended_ = false;
};

// retierAfter(module, milliseconds) -> boolean: drops the module's code once the process has used so much CPU time from
// now on; once for each native module of the process. False where there can be no thread.
napi_value RetierAfter(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int64_t milliseconds = 0;
  if (!Arguments(env, info, args) || !IsModule(args[0]) ||
      napi_get_value_int64(env, args[1], &milliseconds) != napi_ok || milliseconds < 0) {
    return ThrowTypeError(env, "Expected a WebAssembly.Module and milliseconds");
  }
  return Boolean(env, Retiering::Instance().Watch(CompiledModuleOf(args[0]), milliseconds));
}

// retier(module) -> boolean: drops the module's code at once, in the thread
napi_value Retier(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  return Boolean(env, Retiering::Instance().Drop(CompiledModuleOf(args[0])));
}

// retierings(module) -> number: how often its code was dropped
napi_value Retierings(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  return Uint32(env, Retiering::Instance().DropsOf(CompiledModuleOf(args[0])));
}

}  // namespace

void ExportRetiering(napi_env env, napi_value exports) {
  bool can_drop = (V8().enter_debugging && V8().leave_debugging) || V8().can_run_scripts();
  if (!can_drop || !HelperIsolate::IsAvailable(env)) return;
  Retiering::Instance().set_platform(Node().platform_of(CurrentEnvironment()));
  ExportFunction(env, exports, "retierAfter", RetierAfter);
  ExportFunction(env, exports, "retier", Retier);
  ExportFunction(env, exports, "retierings", Retierings);
}
