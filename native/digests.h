#pragma once

#include "byte-span.h"

using Sha256Digest = uint8_t[32];

// False where Node's binary does not have OpenSSL's function.
bool ComputeSha256(ByteSpan bytes, Sha256Digest& digest);

// The same for bytes that come in pieces.
class Sha256Stream {
 public:
  Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;
  ~Sha256Stream();

  void Add(ByteSpan bytes);
  bool Finish(Sha256Digest& digest);

 private:
  void* context_ = nullptr;
  bool is_ok_ = false;
};

// Goes on from the checksum of the bytes before, or zero. False where Node's binary does not have zlib's function.
bool ComputeCrc32(ByteSpan bytes, uint32_t& checksum);

// From this size on, hashing (0.7 ms/MB) takes longer than a thread takes to start (0.1 ms).
constexpr size_t kWorthAThread = 500'000;
