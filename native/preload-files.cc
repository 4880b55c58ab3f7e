#include "preload-files.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <map>

#include "artifact-file.h"
#include "digests.h"

namespace {

constexpr char kPrograms[] = "programs";
constexpr char kWireBytes[] = "wire-bytes";

// A record grows by a line when a run differs from the one before. A longer one is begun anew.
constexpr off_t kMaxRecordSize = 16'384;
constexpr uint64_t kMaxWireLength = uint64_t{1} << 28;

// A module that was used has this score. Each run that does not use it takes one, and with none it is not preloaded.
constexpr int kUsed = 2;

constexpr size_t kKeyLength = 2 * sizeof(Sha256Digest);
constexpr size_t kChunk = size_t{1} << 20, kPiece = size_t{1} << 18;

bool IsKey(const std::string& text) {
  return text.size() == kKeyLength && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string LineOf(char sign, const PlannedModule& module) {
  return sign + module.key + ' ' + std::to_string(module.wire_length) + '\n';
}

}  // namespace

PreloadFiles::PreloadFiles(std::string directory, std::string program)
    : directory_(std::move(directory)), program_(std::move(program)) {}

std::vector<PlannedModule> PreloadFiles::ReadPlan() const {
  std::vector<PlannedModule> plan;
  TrustedFolder folder;
  if (!Enter(folder, kPrograms, false)) return plan;
  Descriptor file;
  struct stat status{};
  file.Reset(folder.OpenFile(program_, O_RDONLY, 0));
  if (!file.is_open() || fstat(file.get(), &status) != 0 || status.st_size > 2 * kMaxRecordSize) return plan;
  std::string text(static_cast<size_t>(status.st_size), '\0');
  if (!ReadExactly(file.get(), reinterpret_cast<uint8_t*>(text.data()), text.size(), 0)) return plan;

  struct Score {
    uint64_t wire_length = 0;
    int score = 0;
  };
  std::map<std::string, Score> scores;
  for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string line = text.substr(at, end - at);
    if (line.size() < kKeyLength + 3 || line[kKeyLength + 1] != ' ') continue;
    const std::string key = line.substr(1, kKeyLength);
    if (!IsKey(key)) continue;
    if (line[0] == '-') {
      --scores[key].score;
    } else if (line[0] == '+') {
      // A module that comes back after it was dropped is not sure to come again.
      Score& found = scores[key];
      found.score = found.wire_length == 0 ? kUsed : std::max(found.score, 0) + 1;
      found.wire_length = std::strtoull(line.c_str() + kKeyLength + 2, nullptr, 10);
    }
  }
  for (const auto& [key, found] : scores) {
    const bool fits = found.wire_length > 0 && found.wire_length <= kMaxWireLength;
    if (found.score > 0 && fits && plan.size() < kMaxPreloaded) plan.push_back({key, found.wire_length});
  }
  std::sort(plan.begin(), plan.end(), [](auto& a, auto& b) { return a.wire_length > b.wire_length; });
  if (!plan.empty()) NoteUse(file.get());
  return plan;
}

void PreloadFiles::Note(const std::vector<PlannedModule>& used, const std::vector<PlannedModule>& unused) const {
  std::string lines;
  for (const PlannedModule& module : used) lines += LineOf('+', module);
  for (const PlannedModule& module : unused) lines += LineOf('-', {module.key, 0});
  TrustedFolder folder;
  if (lines.empty() || !Enter(folder, kPrograms, true)) return;
  Descriptor file;
  file.Reset(folder.OpenFile(program_, O_WRONLY | O_APPEND | O_CREAT, 0600));
  struct stat status{};
  if (!file.is_open() || fstat(file.get(), &status) != 0) return;
  if (status.st_size > kMaxRecordSize) {
    unlinkat(folder.descriptor(), program_.c_str(), 0);
    return;
  }
  fchmod(file.get(), 0600);
  // One call, so that lines of several processes do not mix. What was cut off by a full disk is no line.
  [[maybe_unused]] const ssize_t written = write(file.get(), lines.data(), lines.size());
}

int PreloadFiles::OpenArtifact(const std::string& engine_folder, const std::string& key) const {
  TrustedFolder folder;
  if (!Enter(folder, engine_folder.c_str(), false)) return -1;
  const int descriptor = folder.OpenFile(key + ".artifact", O_RDONLY, 0);
  if (descriptor >= 0) NoteUse(descriptor);
  return descriptor;
}

bool PreloadFiles::HasLoadingNote(const std::string& engine_folder, const std::string& key) const {
  struct stat status{};
  return lstat(LoadingNote(engine_folder, key).c_str(), &status) == 0;
}

std::string PreloadFiles::LoadingNote(const std::string& engine_folder, const std::string& key) const {
  return directory_ + '/' + engine_folder + '/' + key + ".loading";
}

bool PreloadFiles::ReadWireBytes(const PlannedModule& module, const std::function<void(ByteSpan)>& take,
                                 const std::atomic<bool>& stop) const {
  TrustedFolder folder;
  if (!Enter(folder, kWireBytes, false)) return false;
  Descriptor file;
  struct stat status{};
  file.Reset(folder.OpenFile(module.key + ".wasm", O_RDONLY, 0));
  if (!file.is_open() || fstat(file.get(), &status) != 0) return false;
  if (static_cast<uint64_t>(status.st_size) != module.wire_length) return false;
  // Small enough to stay in the processor's cache.
  std::vector<uint8_t> piece(std::min<size_t>(kPiece, module.wire_length));
  Sha256Stream hash;
  for (uint64_t at = 0; at < module.wire_length; at += piece.size()) {
    const ByteSpan read{piece.data(), std::min<size_t>(piece.size(), module.wire_length - at)};
    if (stop || !ReadExactly(file.get(), piece.data(), read.size, static_cast<off_t>(at))) return false;
    hash.Add(read);
    take(read);
  }
  Sha256Digest digest;
  if (!hash.Finish(digest) || HexOf({digest, sizeof digest}) != module.key) return false;
  NoteUse(file.get());
  return true;
}

bool PreloadFiles::KeepWireBytes(const std::string& key, ByteSpan bytes, const std::atomic<bool>& stop) const {
  TrustedFolder folder;
  if (!Enter(folder, kWireBytes, true)) return false;
  const std::string name = key + ".wasm";
  struct stat status{};
  if (fstatat(folder.descriptor(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return S_ISREG(status.st_mode) && static_cast<size_t>(status.st_size) == bytes.size;
  }
  const std::string temporary = name + ".0-" + std::to_string(getpid());  // TEMPORARY in src/caches/inventory.ts
  Descriptor file;
  file.Reset(folder.OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
  if (!file.is_open()) return false;
  fchmod(file.get(), 0600);  // whatever the program's umask is
  bool is_written = true;
  for (size_t at = 0; is_written && at < bytes.size;) {
    const ssize_t count = stop ? -1 : write(file.get(), bytes.data + at, std::min(kChunk, bytes.size - at));
    is_written = count > 0;
    at += is_written ? static_cast<size_t>(count) : 0;
  }
  is_written = is_written && renameat(folder.descriptor(), temporary.c_str(), folder.descriptor(), name.c_str()) == 0;
  if (!is_written) unlinkat(folder.descriptor(), temporary.c_str(), 0);
  return is_written;
}

bool PreloadFiles::Enter(TrustedFolder& folder, const char* name, bool makes) const {
  if (!folder.EnterPath(directory_)) return false;
  // What is there already is checked as any other folder. The program's umask may forbid its owner to enter it.
  if (makes && mkdirat(folder.descriptor(), name, 0700) == 0) fchmodat(folder.descriptor(), name, 0700, 0);
  return folder.EnterBelow(name);
}
