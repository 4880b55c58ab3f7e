#pragma once

#include <mutex>
#include <shared_mutex>

// V8's flags while this object lives: set at first, set back at the end. All others that need the flags as they are
// wait for that.
class ChangedFlags {
 public:
  ChangedFlags(const char* set, const char* reset);
  ChangedFlags(const ChangedFlags&) = delete;
  ChangedFlags& operator=(const ChangedFlags&) = delete;
  ~ChangedFlags();

 private:
  std::unique_lock<std::shared_mutex> lock_;
  const char* reset_;
};

// While this object lives, no other thread changes the flags for a moment.
class SteadyFlags {
 public:
  SteadyFlags();

 private:
  std::shared_lock<std::shared_mutex> lock_;
};
