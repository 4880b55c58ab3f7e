#pragma once

#include <cstddef>
#include <cstdint>

// Bytes that somebody else owns. Laid out as v8::MemorySpan<const uint8_t>: see v8.h.
struct ByteSpan {
  const uint8_t* data;
  size_t size;
};
