// An artifact in a file, as src/artifact/header.ts lays it out: the thread that preloads reads it without JavaScript.
#pragma once

#include <memory>
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

  // False when the native code is damaged.
  bool ReadNativeCode(int descriptor);

  const std::vector<uint8_t>& header() const { return header_; }
  ByteSpan native_code() const { return {native_code_.get(), native_length_}; }

 private:
  std::vector<uint8_t> header_;
  // In memory of its own: V8 gets exactly what it wrote.
  std::unique_ptr<uint8_t[]> native_code_;
  size_t native_length_ = 0;
};

std::string HexOf(ByteSpan bytes);
