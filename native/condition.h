#pragma once

#include <pthread.h>
#include <time.h>

#include <cstdint>
#include <mutex>

// Plain POSIX: a condition variable of the C++ library would need a newer glibc than Node itself.
class Condition {
 public:
  void Signal() { pthread_cond_broadcast(&condition_); }
  void Wait(std::unique_lock<std::mutex>& lock) { pthread_cond_wait(&condition_, lock.mutex()->native_handle()); }
  void WaitFor(std::unique_lock<std::mutex>& lock, int64_t milliseconds) {
    timespec until{};
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += milliseconds % 1000 * 1'000'000;
    if (until.tv_nsec >= 1'000'000'000) {
      ++until.tv_sec;
      until.tv_nsec -= 1'000'000'000;
    }
    pthread_cond_timedwait(&condition_, lock.mutex()->native_handle(), &until);
  }

 private:
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};
