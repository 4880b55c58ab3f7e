#pragma once

#include <pthread.h>

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

 private:
  pthread_t thread_{};
  bool is_running_ = false;
};
