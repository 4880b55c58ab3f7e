// Opens files whose whole path belongs to this user or root and is writable for nobody else. Each component is opened
// in the folder before it and checked on the open descriptor, so nothing can change between the look and the use.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

// A descriptor that is closed at the end.
class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { Reset(-1); }

  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

  void Reset(int descriptor) {
    if (is_open()) close(descriptor_);
    descriptor_ = descriptor;
  }

  int Release() {
    int released = descriptor_;
    descriptor_ = -1;
    return released;
  }

 private:
  int descriptor_ = -1;
};

// Who may change the entries of a folder that is on the way to the cache folder, and of the cache folder and those in
// it.
enum class Strictness { OnTheWay, Inside };

struct Refusal {
  const char* reason = nullptr;  // as Refusal in src/native/trusted-files.ts
  int error = 0;
  struct stat status{};
};

class TrustedFolder {
 public:
  // False when the path of this folder, which is absolute, is refused. Links are followed, as the system does.
  bool EnterPath(const std::string& directory);

  // False when a folder below is refused. No link is followed.
  bool EnterBelow(const std::string& name);

  // The descriptor of the file of that name, or -1. A pipe or a device does not block, and is refused.
  int OpenFile(const std::string& name, int flags, mode_t mode);

  const Refusal& refusal() const { return refusal_; }
  const std::string& path() const { return path_; }  // of what was opened last, for messages
  int descriptor() const { return folder_.get(); }

 private:
  bool EnterRoot();
  void Push(const std::string& path);
  // Whether a file with one name was opened by another one, which was taken from it since.
  bool HadOtherName(const std::string& name, const Descriptor& file, const struct stat& status);
  bool Open(const std::string& name, int flags, mode_t mode, Descriptor& out, struct stat& status);
  bool Follow(const std::string& name, const Descriptor& link, const std::string& parent);
  bool IsPrivateFolder(const struct stat& status, Strictness strictness);
  bool Refuse(const char* reason, const struct stat& status, int error = 0);

  Descriptor folder_;
  std::string path_;
  std::vector<std::string> names_;  // still to be entered, the next one last
  Refusal refusal_;
};

// False when there are fewer bytes.
bool ReadExactly(int descriptor, uint8_t* data, size_t size, off_t from);

// Notes a use of the file in its time stamp, for the sweep, which removes what was not used for long.
void NoteUse(int descriptor);
