#include "threads-of-node.h"

#include <mutex>
#include <vector>

namespace {

// Never destructed: other threads may still run when the process calls its destructors.
struct Threads {
  std::mutex mutex;
  int count = 0;
  std::vector<void (*)()> callbacks;
};

Threads& All() {
  static auto* all = new Threads();
  return *all;
}

void ThreadEnds() {
  std::vector<void (*)()> callbacks;
  {
    std::lock_guard<std::mutex> lock(All().mutex);
    if (--All().count == 0) callbacks = All().callbacks;
  }
  for (auto* callback : callbacks) callback();
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
}

void AtEndOfLastThread(void (*callback)()) {
  std::lock_guard<std::mutex> lock(All().mutex);
  All().callbacks.push_back(callback);
}
