#pragma once

#include "byte-span.h"

using Sha256Digest = uint8_t[32];

// False where Node's binary does not have OpenSSL's function.
bool ComputeSha256(ByteSpan bytes, Sha256Digest& digest);

// From this size on, hashing (0.7 ms/MB) takes longer than a thread takes to start (0.1 ms).
constexpr size_t kWorthAThread = 500'000;
