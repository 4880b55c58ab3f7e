// An artifact in a file, as src/artifact/header.ts lays it out: read without JavaScript.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "byte-span.h"

struct ExpectedArtifact {
  uint32_t format_version;
  std::string key;  // SHA-256, 64 digits
  std::string engine_id;
  uint64_t wire_length;
};

class ArtifactFile {
 public:
  // False unless the file is an artifact of exactly this module and engine, with native code.
  bool ReadHeader(int descriptor, const ExpectedArtifact& expected);

  // Reads the native code into memory for native_length() bytes. False when it is damaged, and when `stop` becomes
  // true meanwhile.
  bool ReadNativeCode(int descriptor, uint8_t* to, const std::atomic<bool>& stop) const;

  const std::vector<uint8_t>& header() const { return header_; }
  size_t native_length() const { return native_length_; }

 private:
  std::vector<uint8_t> header_;
  size_t native_length_ = 0;
};

std::string HexOf(ByteSpan bytes);
