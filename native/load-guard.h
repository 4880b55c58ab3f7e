#pragma once

#include <string>

struct Load;

// While this object lives, a note in that file says that V8 is restoring, and that it crashed if it does.
class WatchedLoad {
 public:
  explicit WatchedLoad(const std::string& file);
  WatchedLoad(const WatchedLoad&) = delete;
  WatchedLoad& operator=(const WatchedLoad&) = delete;
  ~WatchedLoad();

 private:
  Load* load_;  // null when more loads are under way than there is room for
};
