#include "threads-of-node.h"

#ifdef __linux__
#include <sys/syscall.h>
#else
#include <pthread.h>
#endif
#include <unistd.h>

#include <mutex>
#include <vector>

#include "node-functions.h"

namespace {

// Never destructed: other threads may still run when the process calls its destructors.
struct Threads {
  std::mutex mutex;
  int count = 0;
  std::vector<void (*)()> at_end_of_last_thread;
  std::vector<void (*)()> at_end_of_process;
};

Threads& All() {
  static auto* all = new Threads();
  return *all;
}

void ProcessEnds() {
  std::vector<void (*)()> callbacks;
  {
    std::lock_guard<std::mutex> lock(All().mutex);
    callbacks = All().at_end_of_process;
  }
  for (auto* callback : callbacks) callback();
}

void ThreadEnds() {
  std::vector<void (*)()> callbacks;
  {
    std::lock_guard<std::mutex> lock(All().mutex);
    if (--All().count > 0) return;
    callbacks = All().at_end_of_last_thread;
  }
  ProcessEnds();
  for (auto* callback : callbacks) callback();
}

bool IsMainThread() {
#ifdef __linux__
  return syscall(SYS_gettid) == getpid();
#else
  return pthread_main_np() != 0;
#endif
}

}  // namespace

void ThreadStarts(napi_env env) {
  {
    std::lock_guard<std::mutex> lock(All().mutex);
    ++All().count;
  }
  // Node wants another argument for each hook.
  auto hook = [](void* argument) {
    delete static_cast<char*>(argument);
    ThreadEnds();
  };
  napi_add_env_cleanup_hook(env, hook, new char);
  // process.exit() calls no cleanup hook of the main thread. By then workers still run, and end after this call.
  if (!IsMainThread() || !Node().at_exit) return;
  if (Environment* environment = CurrentEnvironment()) {
    Node().at_exit(environment, [](void*) { ProcessEnds(); }, nullptr);
  }
}

void AtEndOfLastThread(void (*callback)()) {
  std::lock_guard<std::mutex> lock(All().mutex);
  All().at_end_of_last_thread.push_back(callback);
}

void AtEndOfProcess(void (*callback)()) {
  std::lock_guard<std::mutex> lock(All().mutex);
  All().at_end_of_process.push_back(callback);
}
