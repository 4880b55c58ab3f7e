// Makes a module with only some function bodies of another one; src/engine/wasm-binary.ts says why. It is native
// because a program's exit runs it once, and JavaScript that runs once takes 10 ms and more for 16,000 functions.
#include <cstdio>
#include <cstring>
#include <memory>

#include "external.h"
#include "module-analysis.h"
#include "subjects.h"
#include "wire-bytes.h"

namespace {

// The functions whose bodies stay: all of them, the smallest one, or those of a list in ascending order.
struct Kept {
  enum { All, Smallest, Listed } which = Listed;
  const uint32_t* listed = nullptr;
  size_t count = 0;
};

struct Cut {
  ByteSpan wire_bytes;
  Kept kept;
  ByteSpan stub;
  bool for_compiling = false;
  const std::vector<uint32_t>* known_starts =
      nullptr;  // saves reading the length of each body, which is in another cache line
};

constexpr char kNotAllHaveBodies[] = "Not all functions to be kept have bodies";

// The smallest function that is not a stub. False when there is none.
template <typename Body>
bool FindSmallest(uint32_t count, Body body, ByteSpan stub, uint32_t& smallest) {
  bool is_found = false;
  for (uint32_t i = 0; i < count; ++i) {
    ByteSpan bytes = body(i);
    bool is_stub = bytes.size == stub.size && std::memcmp(bytes.data, stub.data, stub.size) == 0;
    if (is_stub || (is_found && bytes.size >= body(smallest).size)) continue;
    smallest = i;
    is_found = true;
  }
  return is_found;
}

// Writes a code section in which the stub replaces the bodies of all functions but the kept ones. False when not all of
// these exist.
bool WriteCode(const Cut& cut, WireReader& reader, WireWriter& out) {
  uint32_t count = reader.Number();
  if (!reader.ok()) return true;
  std::vector<uint32_t> found;
  bool is_known = cut.known_starts && cut.known_starts->size() == size_t{count} + 1;
  if (!is_known) found = BodyStarts(cut.wire_bytes);
  const std::vector<uint32_t>& starts = is_known ? *cut.known_starts : found;
  if (starts.size() != size_t{count} + 1) return false;
  auto body = [&](uint32_t i) { return ByteSpan{cut.wire_bytes.data + starts[i], starts[i + 1] - starts[i]}; };
  Kept kept = cut.kept;
  uint32_t smallest = 0;
  if (kept.which == Kept::Smallest) {
    kept.count = FindSmallest(count, body, cut.stub, smallest) ? 1 : 0;
    kept.listed = &smallest;
  }
  out.Number(count);
  size_t k = 0;
  for (uint32_t i = 0; i < count; ++i) {
    bool is_kept = kept.which == Kept::All || (k < kept.count && kept.listed[k] == i);
    out.Bytes(is_kept ? body(i) : cut.stub);
    k += is_kept;
  }
  reader.Bytes(starts[count] - starts[0]);
  return kept.which == Kept::All || k == kept.count;
}

// Gives every export a name of a few digits: in some modules the names are a quarter of all bytes.
void WriteExports(WireReader& reader, WireWriter& out) {
  uint32_t count = reader.Number();
  out.Number(count);
  char name[16];
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    reader.Bytes(reader.Number());
    int length = std::snprintf(name, sizeof name, "%x", i);
    out.Number(static_cast<uint64_t>(length));
    out.Bytes({reinterpret_cast<const uint8_t*>(name), static_cast<size_t>(length)});
    out.Byte(reader.Byte());
    out.Number(reader.Number());
  }
}

// Writes every data segment as a passive one without bytes: no code depends on the place of a segment.
void WriteEmptyData(WireReader& reader, WireWriter& out) {
  constexpr uint8_t passive = 1;
  uint32_t count = reader.Number();
  out.Number(count);
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    reader.Byte();  // Each has at least one: this ends the loop where there are fewer than announced.
    out.Byte(passive);
    out.Byte(0);
  }
}

// Whether the section stays as it is. A module for compiling lacks the custom sections that no code depends on, which
// are all except those for compilers.
bool IsCopied(const Cut& cut, uint8_t id, ByteSpan contents) {
  constexpr char metadata[] = "metadata.code.";
  constexpr size_t metadata_length = sizeof metadata - 1;
  if (id != kCustomSection || !cut.for_compiling) return true;
  WireReader reader(contents);
  ByteSpan name = reader.Bytes(reader.Number());
  return name.size >= metadata_length && std::memcmp(name.data, metadata, metadata_length) == 0;
}

// Null, or what is wrong.
const char* WriteModule(const Cut& cut, WireWriter& out) {
  WireReader reader(cut.wire_bytes);
  ByteSpan header = reader.Bytes(sizeof kModuleHeader);
  if (!reader.ok() || std::memcmp(header.data, kModuleHeader, sizeof kModuleHeader) != 0) {
    return "Not a module of version 1";
  }
  out.Bytes(header);
  bool has_code = false;
  while (reader.ok() && !reader.is_at_end()) {
    size_t start = reader.at();
    uint8_t id = reader.Byte();
    ByteSpan contents = reader.Bytes(reader.Number());
    if (!reader.ok()) break;
    WireReader section(contents);
    WireWriter rewritten(id == kCodeSection ? contents.size / 8 : 0);
    if (id == kCodeSection) {
      has_code = true;
      if (!WriteCode(cut, section, rewritten)) return kNotAllHaveBodies;
    } else if (id == kExportSection && cut.for_compiling) {
      WriteExports(section, rewritten);
    } else if (id == kDataSection && cut.for_compiling) {
      WriteEmptyData(section, rewritten);
      if (section.ok()) section = WireReader(contents, contents.size);
    } else {
      if (IsCopied(cut, id, contents)) out.Bytes({cut.wire_bytes.data + start, reader.at() - start});
      continue;
    }
    if (!section.ok() || !section.is_at_end()) return "A section of the module is not as long as what it holds";
    out.Section(id, rewritten);
  }
  if (!reader.ok()) return "The module ends in the middle of a section";
  if (!has_code && cut.kept.which == Kept::Listed && cut.kept.count > 0) return kNotAllHaveBodies;
  return nullptr;
}

// The wire bytes in a Uint8Array, or those of a WebAssembly.Module where V8 keeps them. There is no copy of them, and
// no Buffer over them, whose size would make V8 collect garbage. `owner` keeps them alive.
bool WireBytesOf(napi_env env, napi_value source, CompiledWasmModule& owner, ByteSpan& out) {
  if (!IsModule(source)) return BytesOf(env, source, out);
  owner = CompiledModuleOf(source);
  out = V8().get_wire_bytes_ref(&owner);
  return true;
}

// withOnlyBodies(wireBytes: Uint8Array or WebAssembly.Module, kept: Uint32Array, ascending, or undefined for all, or
// null for the smallest, stub: Uint8Array, forCompiling: boolean, analysis: undefined or what startAnalysis gave for
// this module) -> Buffer
napi_value WithOnlyBodies(napi_env env, napi_callback_info info) {
  napi_value args[5];
  CompiledWasmModule owner;
  Cut cut{};
  ModuleAnalysis* analysis = nullptr;
  napi_valuetype kept_type;
  if (!Arguments(env, info, args) || !WireBytesOf(env, args[0], owner, cut.wire_bytes) ||
      napi_typeof(env, args[1], &kept_type) != napi_ok || !BytesOf(env, args[2], cut.stub) ||
      !BooleanOf(env, args[3], cut.for_compiling)) {
    return ThrowTypeError(env, "Expected a Uint8Array or a module, functions, a Uint8Array and a boolean");
  }
  if (kept_type == napi_undefined) {
    cut.kept.which = Kept::All;
  } else if (kept_type == napi_null) {
    cut.kept.which = Kept::Smallest;
  } else if (!ElementsOf(env, args[1], napi_uint32_array, cut.kept.listed, cut.kept.count)) {
    return ThrowTypeError(env, "Expected a Uint32Array of functions, undefined or null");
  }
  if (ExternalOf(env, args[4], analysis)) {
    analysis->Join();
    cut.known_starts = &analysis->body_starts();
  }
  size_t size = cut.wire_bytes.size;
  auto out = std::make_unique<WireWriter>(cut.kept.which == Kept::All ? size : size / 8);
  if (const char* failure = WriteModule(cut, *out)) {
    napi_throw_range_error(env, nullptr, failure);
    return nullptr;
  }
  auto& bytes = out->bytes();
  auto release = [](napi_env, void*, void* hint) { delete static_cast<WireWriter*>(hint); };
  napi_value buffer = nullptr;
  if (napi_create_external_buffer(env, bytes.size(), bytes.data(), release, out.get(), &buffer) == napi_ok) {
    out.release();
    return buffer;
  }
  return CopyToBuffer(env, {bytes.data(), bytes.size()});
}

}  // namespace

void ExportCutting(napi_env env, napi_value exports) { ExportFunction(env, exports, "withOnlyBodies", WithOnlyBodies); }
