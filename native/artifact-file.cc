#include "artifact-file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "digests.h"
#include "trusted-files.h"

namespace {

// As in src/artifact/header.ts; test/native/preload.test.ts holds the two against each other.
constexpr uint8_t kMagic[] = {0x89, 0x57, 0x4d, 0x43, 0x0d, 0x0a, 0x1a, 0x0a};
constexpr size_t kVersionAt = 8, kNativeChecksumAt = 12, kAlgorithmAt = 20, kCoverageAt = 21, kFlagsAt = 22;
constexpr size_t kEngineIdLengthAt = 23, kBypassedUntilAt = 28, kNativeLengthAt = 32, kWireLengthAt = 40;
constexpr size_t kKeyAt = 48, kEngineIdAt = 80, kHeaderChecksumAt = 308, kHeaderLength = 312;
constexpr uint8_t kSha256 = 1, kNoCoverage = 0, kIncludesWireBytes = 2;
constexpr uint64_t kMaxLength = uint64_t{1} << 28;  // DEFAULT_MAX_ARTIFACT_SIZE in src/artifact/artifact.ts

template <typename T>
T NumberAt(const std::vector<uint8_t>& bytes, size_t at) {
  T number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

bool IsExpected(const std::vector<uint8_t>& header, const ExpectedArtifact& expected) {
  uint32_t checksum = 0;
  if (std::memcmp(header.data(), kMagic, sizeof kMagic) != 0) return false;
  if (NumberAt<uint32_t>(header, kVersionAt) != expected.format_version) return false;
  if (!ComputeCrc32({header.data(), kHeaderChecksumAt}, checksum)) return false;
  if (checksum != NumberAt<uint32_t>(header, kHeaderChecksumAt)) return false;
  if (header[kAlgorithmAt] != kSha256 || header[kCoverageAt] == kNoCoverage) return false;
  if (NumberAt<uint32_t>(header, kBypassedUntilAt) != 0) return false;
  if (HexOf({header.data() + kKeyAt, sizeof(Sha256Digest)}) != expected.key) return false;
  size_t length = header[kEngineIdLengthAt];
  if (length != expected.engine_id.size() || kEngineIdAt + length > kHeaderChecksumAt) return false;
  if (std::memcmp(header.data() + kEngineIdAt, expected.engine_id.data(), length) != 0) return false;
  return NumberAt<uint64_t>(header, kWireLengthAt) == expected.wire_length;
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

bool ArtifactFile::ReadNativeCode(int descriptor) {
  native_code_.reset(new (std::nothrow) uint8_t[native_length_]);
  if (!native_code_ || !ReadExactly(descriptor, native_code_.get(), native_length_, kHeaderLength)) return false;
  uint32_t checksum = 0;
  return ComputeCrc32(native_code(), checksum) && checksum == NumberAt<uint32_t>(header_, kNativeChecksumAt);
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
