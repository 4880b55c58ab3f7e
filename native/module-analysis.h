#pragma once

#include <node_api.h>

#include <vector>

#include "digests.h"
#include "thread.h"
#include "v8.h"

// Computes in a thread what a program's exit would otherwise wait for: the SHA-256 of a module's wire bytes, and where
// its functions are. It takes 1 ms/MB. V8 keeps the bytes until Join.
class ModuleAnalysis {
 public:
  static constexpr napi_type_tag tag{0x41e7d5938c0f4ba2, 0x85f2b60e9d317ac4};

  explicit ModuleAnalysis(CompiledWasmModule module);
  ModuleAnalysis(const ModuleAnalysis&) = delete;
  ModuleAnalysis& operator=(const ModuleAnalysis&) = delete;

  void Join();

  // After Join.
  bool has_digest() const { return has_digest_; }
  const Sha256Digest& digest() const { return digest_; }
  const std::vector<uint32_t>& body_starts() const { return body_starts_; }

 private:
  static void* Run(void* self);

  CompiledWasmModule module_;
  ByteSpan bytes_{};
  bool is_over_ = false;
  Sha256Digest digest_{};
  bool has_digest_ = false;
  std::vector<uint32_t> body_starts_;
  Thread thread_;  // the last member: the first to be destructed
};
