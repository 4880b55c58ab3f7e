#include "wire-bytes.h"

std::vector<uint32_t> BodyStarts(ByteSpan wire_bytes) {
  std::vector<uint32_t> starts;
  if (wire_bytes.size > UINT32_MAX) return starts;
  WireReader reader(wire_bytes, sizeof kModuleHeader);
  while (reader.ok() && !reader.is_at_end()) {
    uint8_t id = reader.Byte();
    uint32_t size = reader.Number();
    if (id != kCodeSection) {
      reader.Bytes(size);
      continue;
    }
    uint32_t count = reader.Number();
    starts.push_back(static_cast<uint32_t>(reader.at()));
    for (uint32_t i = 0; i < count && reader.ok(); ++i) {
      reader.Bytes(reader.Number());
      starts.push_back(static_cast<uint32_t>(reader.at()));
    }
    break;
  }
  if (!reader.ok()) starts.clear();
  return starts;
}
