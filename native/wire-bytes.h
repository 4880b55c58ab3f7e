// Reads and writes a module's wire bytes.
#pragma once

#include <vector>

#include "byte-span.h"

constexpr uint8_t kCustomSection = 0, kExportSection = 7, kCodeSection = 10, kDataSection = 11;
constexpr uint8_t kModuleHeader[] = {0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00};

// Reads from start to end. Behind the end it reads zeros, and is no longer ok().
class WireReader {
 public:
  explicit WireReader(ByteSpan bytes, size_t at = 0) : bytes_(bytes), at_(at) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }
  bool is_at_end() const { return at_ >= bytes_.size; }

  uint8_t Byte() {
    if (at_ < bytes_.size) return bytes_.data[at_++];
    ok_ = false;
    return 0;
  }

  // LEB128 of 32 bits.
  uint32_t Number() {
    uint64_t number = 0;
    for (unsigned shift = 0; shift <= 28; shift += 7) {
      uint8_t byte = Byte();
      number |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) {
        ok_ = ok_ && number <= UINT32_MAX;
        return ok_ ? static_cast<uint32_t>(number) : 0;
      }
    }
    ok_ = false;
    return 0;
  }

  ByteSpan Bytes(size_t size) {
    if (!ok_ || at_ > bytes_.size || size > bytes_.size - at_) {
      ok_ = false;
      return {bytes_.data, 0};
    }
    at_ += size;
    return {bytes_.data + at_ - size, size};
  }

 private:
  ByteSpan bytes_;
  size_t at_;
  bool ok_ = true;
};

class WireWriter {
 public:
  explicit WireWriter(size_t expected_size) { bytes_.reserve(expected_size); }

  std::vector<uint8_t>& bytes() { return bytes_; }
  void Byte(uint8_t byte) { bytes_.push_back(byte); }
  void Bytes(ByteSpan bytes) { bytes_.insert(bytes_.end(), bytes.data, bytes.data + bytes.size); }

  void Number(uint64_t number) {
    for (; number >= 0x80; number >>= 7) Byte(static_cast<uint8_t>(number) | 0x80);
    Byte(static_cast<uint8_t>(number));
  }

  void Section(uint8_t id, WireWriter& contents) {
    Byte(id);
    Number(contents.bytes_.size());
    Bytes({contents.bytes_.data(), contents.bytes_.size()});
  }

 private:
  std::vector<uint8_t> bytes_;
};

// Where each function's body starts, with its length field, and where the last one ends. Empty when the module cannot
// be read.
std::vector<uint32_t> BodyStarts(ByteSpan wire_bytes);
