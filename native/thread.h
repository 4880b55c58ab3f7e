#pragma once

#include <pthread.h>
#include <sched.h>

// A thread that somebody waits for. Not std::thread, which ends the process when there can be no more threads.
class Thread {
 public:
  Thread() = default;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { Join(); }

  // False when there can be no more threads.
  bool Start(void* (*run)(void*), void* data) {
    is_running_ = pthread_create(&thread_, nullptr, run, data) == 0;
    return is_running_;
  }

  bool is_running() const { return is_running_; }

  void Join() {
    if (is_running_) pthread_join(thread_, nullptr);
    is_running_ = false;
  }

  // A thread that nobody waits for.
  static bool StartDetached(void* (*run)(void*), void* data) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, run, data) != 0) return false;
    pthread_detach(thread);
    return true;
  }

  // Whether this process may use more than one.
  static bool HasProcessorToSpare() {
#ifdef __linux__
    cpu_set_t processors;
    return sched_getaffinity(0, sizeof processors, &processors) == 0 && CPU_COUNT(&processors) > 1;
#else
    return true;
#endif
  }

 private:
  pthread_t thread_{};
  bool is_running_ = false;
};
