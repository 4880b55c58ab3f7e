#include "trusted-files.h"

#include <fcntl.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>

#include "node-api.h"
#include "subjects.h"

namespace {

#ifdef O_PATH
constexpr int kLook =
    O_PATH | O_NOFOLLOW | O_CLOEXEC;  // also opens a link itself, and a folder that can only be entered
#else
constexpr int kLook = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
#endif

constexpr int kMaxLinks = 40;  // Linux's own limit

const timespec& ChangeTime(const struct stat& status) {
#ifdef __APPLE__
  return status.st_ctimespec;
#else
  return status.st_ctim;
#endif
}

bool IsOwn(const struct stat& status) { return status.st_uid == geteuid() || status.st_uid == 0; }

}  // namespace

bool TrustedFolder::EnterPath(const std::string& directory) {
  if (!EnterRoot()) return false;
  Push(directory);
  int links_left = kMaxLinks;
  while (!names_.empty()) {
    std::string name = std::move(names_.back());
    names_.pop_back();
    struct stat status{};
    Descriptor next;
    std::string parent = path_;
    if (!Open(name, kLook, 0, next, status)) return false;
    if (!IsOwn(status)) return Refuse("owner", status);
    if (S_ISLNK(status.st_mode)) {
      if (links_left-- == 0) return Refuse("error", status, ELOOP);
      if (!Follow(name, next, parent)) return false;
    } else {
      if (!IsPrivateFolder(status, names_.empty() ? Strictness::Inside : Strictness::OnTheWay)) return false;
      folder_.Reset(next.Release());
    }
  }
  return true;
}

bool TrustedFolder::EnterBelow(const std::string& name) {
  struct stat status{};
  Descriptor next;
  if (!Open(name, kLook, 0, next, status)) return false;
  if (S_ISLNK(status.st_mode)) return Refuse("symbolic link", status);
  if (!IsOwn(status)) return Refuse("owner", status);
  if (!IsPrivateFolder(status, Strictness::Inside)) return false;
  folder_.Reset(next.Release());
  return true;
}

int TrustedFolder::OpenFile(const std::string& name, int flags, mode_t mode) {
  struct stat status{};
  Descriptor file;
  if (!Open(name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode, file, status)) return -1;
  if (!S_ISREG(status.st_mode)) return Refuse("not a file", status), -1;
  if (!IsOwn(status)) return Refuse("owner", status), -1;
  if (status.st_mode & (S_IWGRP | S_IWOTH)) return Refuse("writable", status), -1;
  if (status.st_nlink > 1) return Refuse("hard links", status), -1;
  if (HadOtherName(name, file, status)) return Refuse("hard links", status), -1;
  return file.Release();
}

bool TrustedFolder::HadOtherName(const std::string& name, const Descriptor& file, const struct stat& status) {
  // While a rename replaces a file, the file has lost the name, but the name still leads to it. The system's time
  // stamps are some milliseconds behind. As in src/files/file.ts.
  constexpr long just_now = 20'000'000;
  constexpr timespec rename_takes{0, 2'000'000};
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const timespec& changed = ChangeTime(status);
  const long nanoseconds = (now.tv_sec - changed.tv_sec) * 1'000'000'000 + now.tv_nsec - changed.tv_nsec;
  if (std::abs(nanoseconds) < just_now) nanosleep(&rename_takes, nullptr);
  struct stat found{};
  const bool is_named = fstatat(folder_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                        found.st_dev == status.st_dev && found.st_ino == status.st_ino && found.st_nlink <= 1;
  // One that was replaced since has no name left.
  return !is_named && (fstat(file.get(), &found) != 0 || found.st_nlink > 0);
}

bool TrustedFolder::EnterRoot() {
  path_ = "/";
  folder_.Reset(open("/", kLook | O_DIRECTORY));
  struct stat status{};
  if (!folder_.is_open() || fstat(folder_.get(), &status) != 0) return Refuse("error", status, errno);
  return IsOwn(status) ? IsPrivateFolder(status, Strictness::OnTheWay) : Refuse("owner", status);
}

// Puts the names of a path before those that are still to be entered.
void TrustedFolder::Push(const std::string& path) {
  for (size_t end = path.size(); end > 0;) {
    size_t slash = path.rfind('/', end - 1);
    size_t start = slash == std::string::npos ? 0 : slash + 1;
    std::string name = path.substr(start, end - start);
    if (!name.empty() && name != ".") names_.push_back(std::move(name));
    if (slash == std::string::npos) break;
    end = slash;
  }
}

bool TrustedFolder::Open(const std::string& name, int flags, mode_t mode, Descriptor& out, struct stat& status) {
  if (path_.back() != '/') path_ += '/';
  path_ += name;
  out.Reset(openat(folder_.get(), name.c_str(), flags, mode));
  if (!out.is_open()) {
#ifndef O_PATH
    // A link cannot be opened here. Nobody else can replace it: the folder was checked.
    if (errno == ELOOP && fstatat(folder_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return true;
#endif
    return errno == ELOOP ? Refuse("symbolic link", status) : Refuse("error", status, errno);
  }
  return fstat(out.get(), &status) == 0 || Refuse("error", status, errno);
}

bool TrustedFolder::Follow(const std::string& name, const Descriptor& link, const std::string& parent) {
  char target[PATH_MAX];
  ssize_t length = link.is_open() ? readlinkat(link.get(), "", target, sizeof target)
                                  : readlinkat(folder_.get(), name.c_str(), target, sizeof target);
  if (length <= 0 || static_cast<size_t>(length) == sizeof target) return Refuse("error", {}, errno ? errno : ELOOP);
  std::string text(target, static_cast<size_t>(length));
  Push(text);
  path_ = parent;
  return text.front() != '/' || EnterRoot();
}

bool TrustedFolder::IsPrivateFolder(const struct stat& status, Strictness strictness) {
  if (!S_ISDIR(status.st_mode)) return Refuse("error", status, ENOTDIR);
  bool is_inside = strictness == Strictness::Inside;
  // In a sticky folder, as /tmp, others can make entries but cannot replace those of somebody else.
  if (!is_inside && (status.st_mode & S_ISVTX)) return true;
  if (status.st_mode & S_IWOTH) return Refuse("writable", status);
  if (!(status.st_mode & S_IWGRP)) return true;
  // Where each user has a group of their own, with the user's number, many folders are left open to it.
  bool is_private_group = status.st_gid == getegid() && status.st_gid == geteuid();
  return (!is_inside && is_private_group) || Refuse("writable", status);
}

bool TrustedFolder::Refuse(const char* reason, const struct stat& status, int error) {
  refusal_ = {reason, error, status};
  return false;
}

void NoteUse(int descriptor) {
  // Not more often, because that is a write. As in src/caches/artifact-files.ts.
  constexpr time_t kUseIsNotedEvery = 3600;
  struct stat status{};
  if (fstat(descriptor, &status) == 0 && std::abs(time(nullptr) - status.st_mtime) > kUseIsNotedEvery) {
    futimens(descriptor, nullptr);
  }
}

bool ReadExactly(int descriptor, uint8_t* data, size_t size, off_t from) {
  for (size_t at = 0; at < size;) {
    const ssize_t count = pread(descriptor, data + at, size - at, from + static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += static_cast<size_t>(count);
  }
  return true;
}

namespace {

constexpr char kNotPlain[] = "Expected an absolute path, and names without slashes";

bool IsPlain(const std::string& directory, const std::vector<std::string>& names) {
  if (directory.empty() || directory.front() != '/' || directory.find('\0') != std::string::npos) return false;
  for (const std::string& name : names) {
    if (name.empty() || name == "." || name == "..") return false;
    if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos) return false;
  }
  return true;
}

// Enters the folder that the last name is in.
bool Enter(TrustedFolder& folder, const std::string& directory, const std::vector<std::string>& names) {
  bool is_entered = folder.EnterPath(directory);
  for (size_t i = 0; is_entered && i + 1 < names.size(); ++i) is_entered = folder.EnterBelow(names[i]);
  return is_entered;
}

// openTrusted(directory: string, names: string[], flags: number, mode: number) -> a descriptor, or [reason, errno,
// path, owner, mode, group]. The directory is absolute. The names are those of folders in it, and of a file in the last
// of them; without names, the folder itself is only checked, and 0 is returned.
napi_value OpenTrusted(napi_env env, napi_callback_info info) {
  napi_value args[4];
  std::string directory;
  std::vector<std::string> names;
  uint32_t flags = 0;
  uint32_t mode = 0;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], directory) || !StringsOf(env, args[1], names) ||
      !Uint32Of(env, args[2], flags) || !Uint32Of(env, args[3], mode)) {
    return ThrowTypeError(env, "Expected a string, an array of strings and two numbers");
  }
  if (!IsPlain(directory, names)) return ThrowTypeError(env, kNotPlain);
  if (flags & O_TRUNC) return ThrowTypeError(env, "O_TRUNC would empty a file before it is checked: use ftruncate");

  TrustedFolder folder;
  int descriptor = -1;
  bool is_entered = Enter(folder, directory, names);
  if (is_entered && names.empty()) return Uint32(env, 0);
  if (is_entered) descriptor = folder.OpenFile(names.back(), static_cast<int>(flags), static_cast<mode_t>(mode));
  if (descriptor >= 0) return Uint32(env, static_cast<uint32_t>(descriptor));
  const Refusal& refusal = folder.refusal();
  return Array(env, {String(env, refusal.reason), Uint32(env, static_cast<uint32_t>(refusal.error)),
                     String(env, folder.path().c_str()), Uint32(env, refusal.status.st_uid),
                     Uint32(env, refusal.status.st_mode & 07777), Uint32(env, refusal.status.st_gid)});
}

// readTrusted(directory: string, names: string[], maxSize: number) -> a Buffer, or undefined for a file that
// openTrusted refuses, an empty one, or a larger one. Workers complain about descriptors that they have not opened.
napi_value ReadTrusted(napi_env env, napi_callback_info info) {
  napi_value args[3];
  std::string directory;
  std::vector<std::string> names;
  uint32_t max_size = 0;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], directory) || !StringsOf(env, args[1], names) ||
      !Uint32Of(env, args[2], max_size)) {
    return ThrowTypeError(env, "Expected a string, an array of strings and a number");
  }
  if (names.empty() || !IsPlain(directory, names)) return ThrowTypeError(env, kNotPlain);
  TrustedFolder folder;
  Descriptor file;
  struct stat status{};
  if (Enter(folder, directory, names)) file.Reset(folder.OpenFile(names.back(), O_RDONLY, 0));
  if (!file.is_open() || fstat(file.get(), &status) != 0) return Undefined(env);
  if (status.st_size <= 0 || status.st_size > static_cast<off_t>(max_size)) return Undefined(env);
  auto size = static_cast<size_t>(status.st_size);
  void* bytes = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_buffer(env, size, &bytes, &buffer) != napi_ok) return Undefined(env);
  return ReadExactly(file.get(), static_cast<uint8_t*>(bytes), size, 0) ? buffer : Undefined(env);
}

}  // namespace

void ExportTrustedFiles(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "openTrusted", OpenTrusted);
  ExportFunction(env, exports, "readTrusted", ReadTrusted);
}
