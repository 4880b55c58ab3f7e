// The records of native code: one per function, in V8's serialised form of a module. src/engine/native-code.ts says
// more about them.
#include <cstring>

#include "node-api.h"
#include "subjects.h"

namespace {

// Which u32 of a record are lengths: see RecordLayout in src/engine/v8-versions.ts.
struct Layout {
  uint32_t first_length;
  uint32_t inlining_length;
  uint32_t numbers;
};

struct Failure {
  uint64_t at;
  const char* what;
};

class Records {
 public:
  Records(ByteSpan bytes, Layout layout) : bytes_(bytes), layout_(layout) {}

  // Every offset is checked before it is read. False when the bytes are not laid out like this: see failure().
  bool Read(uint64_t at, uint32_t declared) {
    constexpr uint8_t lazy = 2, executed = 3, optimised = 4;
    for (uint32_t i = 0; i < declared; ++i) {
      if (at >= bytes_.size) return Fail(at, "the records end too early");
      starts_.push_back(static_cast<uint32_t>(at));
      uint8_t state = bytes_.data[at++];
      if (state == executed) {
        executed_.push_back(i);
      } else if (state == optimised) {
        if (!ReadOptimised(at, i)) return false;
      } else if (state != lazy) {
        return Fail(at - 1, "not the start of a record");
      }
    }
    if (at > bytes_.size || at > UINT32_MAX) return Fail(at, "the last record is cut off");
    starts_.push_back(static_cast<uint32_t>(at));
    return true;
  }

  napi_value ToValue(napi_env env) const {
    return Array(env, {Uint32Array(env, starts_), Uint32Array(env, optimised_), Uint32Array(env, executed_),
                       Uint32Array(env, inlined_), Double(env, static_cast<double>(code_size_))});
  }

  const Failure& failure() const { return failure_; }

 private:
  // `at` starts behind the byte that marks an optimised function, and ends behind the record.
  bool ReadOptimised(uint64_t& at, uint32_t function) {
    constexpr uint32_t function_code = 0, machine_code_alignment = 32;
    constexpr uint8_t turbofan = 2;
    uint64_t lengths_at = at + 4 * uint64_t{layout_.first_length};
    uint64_t kind_at = at + 4 * uint64_t{layout_.numbers};
    uint64_t tier_at = kind_at + 4;
    if (tier_at >= bytes_.size) return Fail(at, "a record is cut off");
    uint32_t machine_code = NumberAt(lengths_at);
    if (machine_code == 0 || machine_code % machine_code_alignment != 0) {
      return Fail(lengths_at, "not a length of machine code");
    }
    if (NumberAt(kind_at) != function_code || bytes_.data[tier_at] != turbofan) {
      return Fail(kind_at, "neither the kind nor the tier of a function that is optimised");
    }
    optimised_.push_back(function);
    if (NumberAt(at + 4 * uint64_t{layout_.inlining_length}) > 0) inlined_.push_back(function);
    code_size_ += machine_code;
    at = tier_at + 1;
    for (uint64_t length_at = lengths_at; length_at < kind_at; length_at += 4) at += NumberAt(length_at);
    return true;
  }

  uint32_t NumberAt(uint64_t at) const {
    uint32_t number;
    std::memcpy(&number, bytes_.data + at, sizeof number);
    return number;
  }

  bool Fail(uint64_t at, const char* what) {
    failure_ = {at, what};
    return false;
  }

  ByteSpan bytes_;
  Layout layout_;
  std::vector<uint32_t> starts_;
  std::vector<uint32_t> optimised_;
  std::vector<uint32_t> executed_;
  std::vector<uint32_t> inlined_;
  uint64_t code_size_ = 0;
  Failure failure_{};
};

// readRecords(nativeCode: Uint8Array, at, declared, layout: Uint32Array of firstLength, inliningLength and numbers) ->
// [starts of the records and the end of the last, optimised, executed, inlined: Uint32Arrays, bytes of machine code:
// number], or [offset, what is wrong there]
napi_value ReadRecords(napi_env env, napi_callback_info info) {
  napi_value args[4];
  ByteSpan bytes{};
  uint32_t at = 0;
  uint32_t declared = 0;
  const uint32_t* layout = nullptr;
  size_t layout_size = 0;
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], bytes) || !Uint32Of(env, args[1], at) ||
      !Uint32Of(env, args[2], declared) || !ElementsOf(env, args[3], napi_uint32_array, layout, layout_size) ||
      layout_size != 3 || layout[0] >= layout[2] || layout[1] >= layout[2]) {
    return ThrowTypeError(env, "Expected a Uint8Array, two numbers and a Uint32Array of three");
  }
  Records records(bytes, {layout[0], layout[1], layout[2]});
  if (records.Read(at, declared)) return records.ToValue(env);
  const Failure& failure = records.failure();
  return Array(env, {Double(env, static_cast<double>(failure.at)), String(env, failure.what)});
}

}  // namespace

void ExportRecords(napi_env env, napi_value exports) { ExportFunction(env, exports, "readRecords", ReadRecords); }
