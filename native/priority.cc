// Lets other processes come first.
#include <dirent.h>
#include <sys/resource.h>

#include <cstdlib>
#include <ctime>

#include "node-api.h"
#include "subjects.h"
#include "thread.h"

namespace {

// Sets the lowest priority for every thread: on Linux each thread has its own priority, and V8's threads run already.
void YieldToOthers() {
  constexpr int lowest = 19;
#ifdef __linux__
  DIR* threads = opendir("/proc/self/task");
  if (threads) {
    while (dirent* thread = readdir(threads)) {
      if (int id = std::atoi(thread->d_name)) setpriority(PRIO_PROCESS, static_cast<id_t>(id), lowest);
    }
    closedir(threads);
  }
#endif
  setpriority(PRIO_PROCESS, 0, lowest);
}

// yieldAfter(milliseconds): lets all other processes come first once this one has used so much CPU time
napi_value YieldAfter(napi_env env, napi_callback_info info) {
  napi_value args[1];
  uint32_t milliseconds = 0;
  if (!Arguments(env, info, args) || !Uint32Of(env, args[0], milliseconds)) {
    return ThrowTypeError(env, "Expected a number of milliseconds");
  }
  auto watch = [](void* data) -> void* {
    constexpr timespec interval{0, 100'000'000};
    for (timespec used{};; nanosleep(&interval, nullptr)) {
      if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0) break;
      if (used.tv_sec * 1000 + used.tv_nsec / 1'000'000 >= reinterpret_cast<intptr_t>(data)) break;
    }
    YieldToOthers();
    return nullptr;
  };
  if (!Thread::StartDetached(watch, reinterpret_cast<void*>(static_cast<intptr_t>(milliseconds)))) YieldToOthers();
  return Undefined(env);
}

}  // namespace

void ExportPriority(napi_env env, napi_value exports) { ExportFunction(env, exports, "yieldAfter", YieldAfter); }
