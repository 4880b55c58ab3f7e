#include "artifact-file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "digests.h"
#include "node-api.h"
#include "subjects.h"
#include "trusted-files.h"

namespace {

// As in src/artifact/header.ts; test/native/artifact-file.test.ts holds the two against each other.
constexpr uint8_t kMagic[] = {0x89, 0x57, 0x4d, 0x43, 0x0d, 0x0a, 0x1a, 0x0a};
constexpr size_t kVersionAt = 8, kNativeChecksumAt = 12, kWireChecksumAt = 16, kAlgorithmAt = 20, kCoverageAt = 21,
                 kFlagsAt = 22;
constexpr size_t kEngineIdLengthAt = 23, kBypassedUntilAt = 28, kNativeLengthAt = 32, kWireLengthAt = 40;
constexpr size_t kKeyAt = 48, kEngineIdAt = 80, kObservedForAt = 260;
constexpr size_t kSignatureEnd = 304, kHeaderChecksumAt = 308, kHeaderLength = 312;
constexpr uint8_t kSha256 = 1, kNoCoverage = 0, kLastCoverage = 2, kIncludesWireBytes = 2, kAllFlags = 7;
constexpr size_t kPiece = size_t{1} << 18;          // stays in the processor's cache until it is checked
constexpr uint64_t kMaxLength = uint64_t{1} << 28;  // DEFAULT_MAX_ARTIFACT_SIZE in src/artifact/artifact.ts

template <typename T>
T NumberAt(const std::vector<uint8_t>& bytes, size_t at) {
  T number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

bool IsZero(const std::vector<uint8_t>& bytes, size_t from, size_t to) {
  return std::all_of(&bytes[from], &bytes[to], [](uint8_t byte) { return byte == 0; });
}

bool IsExpected(const std::vector<uint8_t>& header, const ExpectedArtifact& expected) {
  uint32_t checksum = 0;
  if (std::memcmp(header.data(), kMagic, sizeof kMagic) != 0) return false;
  if (NumberAt<uint32_t>(header, kVersionAt) != expected.format_version) return false;
  if (!ComputeCrc32({header.data(), kHeaderChecksumAt}, checksum)) return false;
  if (checksum != NumberAt<uint32_t>(header, kHeaderChecksumAt)) return false;
  if (header[kAlgorithmAt] != kSha256 || header[kFlagsAt] > kAllFlags) return false;
  if (header[kCoverageAt] == kNoCoverage || header[kCoverageAt] > kLastCoverage) return false;
  if (NumberAt<uint32_t>(header, kBypassedUntilAt) != 0) return false;
  if (HexOf({header.data() + kKeyAt, sizeof(Sha256Digest)}) != expected.key) return false;
  size_t length = header[kEngineIdLengthAt];
  if (length != expected.engine_id.size() || kEngineIdAt + length > kObservedForAt) return false;
  if (std::memcmp(header.data() + kEngineIdAt, expected.engine_id.data(), length) != 0) return false;
  const bool includes_wire_bytes = (header[kFlagsAt] & kIncludesWireBytes) != 0;
  return IsZero(header, kEngineIdAt + length, kObservedForAt) && IsZero(header, kSignatureEnd, kHeaderChecksumAt) &&
         (includes_wire_bytes || IsZero(header, kWireChecksumAt, kAlgorithmAt)) &&
         NumberAt<uint64_t>(header, kWireLengthAt) == expected.wire_length;
}

}  // namespace

bool ArtifactFile::ReadHeader(int descriptor, const ExpectedArtifact& expected) {
  struct stat status{};
  header_.resize(kHeaderLength);
  if (fstat(descriptor, &status) != 0 || !ReadExactly(descriptor, header_.data(), kHeaderLength, 0)) return false;
  if (!IsExpected(header_, expected)) return false;
  const uint64_t native_length = NumberAt<uint64_t>(header_, kNativeLengthAt);
  const bool includes_wire_bytes = (header_[kFlagsAt] & kIncludesWireBytes) != 0;
  if (native_length == 0 || native_length > kMaxLength || expected.wire_length > kMaxLength) return false;
  const uint64_t size = kHeaderLength + native_length + (includes_wire_bytes ? expected.wire_length : 0);
  native_length_ = native_length;
  return static_cast<uint64_t>(status.st_size) == size;
}

bool ArtifactFile::ReadNativeCode(int descriptor, uint8_t* to, const std::atomic<bool>& stop) const {
  uint32_t checksum = 0;
  for (size_t at = 0; at < native_length_; at += kPiece) {
    const size_t size = std::min(kPiece, native_length_ - at);
    if (stop || !ReadExactly(descriptor, to + at, size, static_cast<off_t>(kHeaderLength + at))) return false;
    if (!ComputeCrc32({to + at, size}, checksum)) return false;
  }
  return checksum == NumberAt<uint32_t>(header_, kNativeChecksumAt);
}

std::string HexOf(ByteSpan bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (size_t i = 0; i < bytes.size; ++i) {
    hex += digits[bytes.data[i] >> 4];
    hex += digits[bytes.data[i] & 15];
  }
  return hex;
}

namespace {

// readArtifact(directory: string, engineFolder: string, engineId: string, formatVersion: number, key: string,
// wireLength: number, notesUse: boolean) -> [header, nativeCode], or undefined for anything but a whole artifact of
// this module and engine in a trusted file. Whoever wants to know why reads it again in JavaScript.
napi_value ReadArtifact(napi_env env, napi_callback_info info) {
  napi_value args[7];
  std::string directory;
  std::string engine_folder;
  ExpectedArtifact expected{};
  uint32_t wire_length = 0;
  bool notes_use = false;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], directory) || !StringOf(env, args[1], engine_folder) ||
      !StringOf(env, args[2], expected.engine_id) || !Uint32Of(env, args[3], expected.format_version) ||
      !StringOf(env, args[4], expected.key) || !Uint32Of(env, args[5], wire_length) ||
      !BooleanOf(env, args[6], notes_use)) {
    return ThrowTypeError(env, "Expected three strings, a number, a string, a number and a boolean");
  }
  expected.wire_length = wire_length;
  TrustedFolder folder;
  Descriptor file;
  ArtifactFile artifact;
  if (!folder.EnterPath(directory) || !folder.EnterBelow(engine_folder)) return Undefined(env);
  file.Reset(folder.OpenFile(expected.key + ".artifact", O_RDONLY, 0));
  if (!file.is_open() || !artifact.ReadHeader(file.get(), expected)) return Undefined(env);
  void* native_code = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_buffer(env, artifact.native_length(), &native_code, &buffer) != napi_ok) return Undefined(env);
  const std::atomic<bool> never{false};
  if (!artifact.ReadNativeCode(file.get(), static_cast<uint8_t*>(native_code), never)) return Undefined(env);
  if (notes_use) NoteUse(file.get());
  return Array(env, {CopyToBuffer(env, {artifact.header().data(), artifact.header().size()}), buffer});
}

}  // namespace

void ExportArtifactFile(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "readArtifact", ReadArtifact);
}
