#include "module-analysis.h"

#include "external.h"
#include "subjects.h"
#include "wire-bytes.h"

ModuleAnalysis::ModuleAnalysis(CompiledWasmModule module) : module_(std::move(module)) {
  bytes_ = V8().get_wire_bytes_ref(&module_);
  if (bytes_.size >= kWorthAThread) thread_.Start(Run, this);
}

void ModuleAnalysis::Join() {
  if (is_over_) return;
  if (!thread_.is_running()) Run(this);
  thread_.Join();
  is_over_ = true;
  module_ = {};
  bytes_ = {};
}

void* ModuleAnalysis::Run(void* self) {
  auto* analysis = static_cast<ModuleAnalysis*>(self);
  analysis->has_digest_ = ComputeSha256(analysis->bytes_, analysis->digest_);
  analysis->body_starts_ = BodyStarts(analysis->bytes_);
  return nullptr;
}

namespace {

// startAnalysis(module) -> what joinAnalysis and withOnlyBodies take
napi_value StartAnalysis(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  return OwnedExternal(env, std::make_unique<ModuleAnalysis>(CompiledModuleOf(args[0])));
}

// joinAnalysis(what startAnalysis gave) -> Buffer of 32 bytes: the SHA-256, or undefined as sha256
napi_value JoinAnalysis(napi_env env, napi_callback_info info) {
  napi_value args[1];
  ModuleAnalysis* analysis = nullptr;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], analysis)) {
    return ThrowTypeError(env, "Expected what startAnalysis() gave");
  }
  analysis->Join();
  return analysis->has_digest() ? CopyToBuffer(env, {analysis->digest(), sizeof(Sha256Digest)}) : Undefined(env);
}

}  // namespace

void ExportAnalysis(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "startAnalysis", StartAnalysis);
  ExportFunction(env, exports, "joinAnalysis", JoinAnalysis);
}
