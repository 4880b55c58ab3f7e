// Preload: restores the modules that a program used in its last runs, in a thread, while Node starts and the program
// loads its JavaScript. The program then takes a module that is there already.
//
// One thread for the process, with an isolate of its own. V8 does not match code to wire bytes, so the thread reads
// both: the artifact with the checks that JavaScript makes, and wire bytes whose hash is the module's key. The program
// gets the module when its bytes are equal to those. The same thread keeps the wire bytes of modules for later runs.
#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <optional>

#include "artifact-file.h"
#include "condition.h"
#include "flags.h"
#include "helper-isolate.h"
#include "load-guard.h"
#include "node-api.h"
#include "preload-files.h"
#include "subjects.h"
#include "thread.h"
#include "threads-of-node.h"

namespace {

class Preload {
 public:
  struct Engine {
    std::string id;
    std::string folder;
    uint32_t format_version;
    bool writes;  // whether the cache folder is for reading only
  };

  struct Found {
    CompiledWasmModule module;
    std::vector<uint8_t> header;
  };

  static Preload& Instance() {
    static auto* instance = new Preload();  // never destructed: its thread may run when the process calls destructors
    return *instance;
  }

  // Begins to restore what the program's record names.
  void Start(PreloadFiles files, Engine engine, Platform* platform) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (files_ || has_ended_) return;
    files_.emplace(std::move(files));
    engine_ = std::move(engine);
    platform_ = platform;
    has_plan_to_read_ = true;
    StartThread();
  }

  // The module with these wire bytes. Waits while the thread restores one of this length.
  std::optional<Found> Take(ByteSpan wire_bytes) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (has_plan_to_read_ && !has_ended_) changed_.Wait(lock);
    for (Entry& entry : entries_) {
      if (entry.planned.wire_length != wire_bytes.size) continue;
      if (entry.state == State::Waiting) {
        entry.state = State::Failed;  // The program is faster without the thread.
        entry.is_used = true;
      }
      while (entry.state == State::Running && !has_ended_) changed_.Wait(lock);
      std::shared_ptr<void> native_module = entry.native_module.lock();
      if (entry.state != State::Done || !native_module) continue;
      Found found{{std::move(native_module), entry.source_url}, entry.header};
      const ByteSpan own = V8().get_wire_bytes_ref(&found.module);
      if (own.size != wire_bytes.size || std::memcmp(own.data, wire_bytes.data, own.size) != 0) continue;
      entry.is_used = true;
      entry.held = nullptr;  // From now on the program decides how long it lives.
      return found;
    }
    return std::nullopt;
  }

  // Keeps a module that the program has restored itself, so that its next run preloads it.
  void Keep(PreloadFiles files, PlannedModule module, CompiledWasmModule compiled) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (has_ended_) return;
    for (Entry& entry : entries_) {  // The record has it, and the program was faster than the thread.
      if (entry.planned.key != module.key) continue;
      entry.is_used = true;
      return;
    }
    if (keeps_++ >= kMaxPreloaded) return;
    if (!files_) files_.emplace(std::move(files));
    kept_.push_back({std::move(module), std::move(compiled)});
    StartThread();
    changed_.Signal();
  }

  // Whether the thread has nothing to do.
  bool IsIdle() {
    std::lock_guard<std::mutex> lock(mutex_);
    return has_ended_ || (!is_busy_ && kept_.empty());
  }

  void Stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (has_ended_) return;
      has_ended_ = true;
      changed_.Signal();
    }
    thread_.Join();
    std::vector<PlannedModule> unused;
    for (Entry& entry : entries_) {
      if (!entry.is_used && entry.state != State::Failed) unused.push_back(entry.planned);
    }
    if (files_ && engine_.writes) files_->Note({}, unused);
    entries_.clear();
    kept_.clear();
  }

 private:
  enum class State { Waiting, Running, Done, Failed };

  struct Entry {
    PlannedModule planned;
    State state = State::Waiting;
    bool is_used = false;
    std::shared_ptr<void> held;
    std::weak_ptr<void> native_module;
    std::string source_url;
    std::vector<uint8_t> header;
  };

  struct Kept {
    PlannedModule module;
    CompiledWasmModule compiled;
  };

  Preload() {
    AtEndOfProcess([] { Instance().Stop(); });
  }

  void StartThread() {
    if (thread_.is_running()) return;
    is_busy_ = true;
    auto run = [](void* self) -> void* {
      static_cast<Preload*>(self)->Run();
      return nullptr;
    };
    if (thread_.Start(run, this)) return;
    has_plan_to_read_ = is_busy_ = false;
    has_ended_ = true;
  }

  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (has_plan_to_read_) RestoreAll(lock);
    while (!has_ended_) {
      if (kept_.empty()) {
        is_busy_ = false;
        changed_.Wait(lock);
        continue;
      }
      is_busy_ = true;
      Kept kept = std::move(kept_.front());
      kept_.pop_front();
      lock.unlock();
      const ByteSpan bytes = V8().get_wire_bytes_ref(&kept.compiled);
      if (files_->KeepWireBytes(kept.module.key, bytes, has_ended_)) files_->Note({kept.module}, {});
      kept = {};
      lock.lock();
    }
  }

  void RestoreAll(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    std::vector<PlannedModule> plan = files_->ReadPlan();
    lock.lock();
    for (PlannedModule& planned : plan) entries_.emplace_back().planned = std::move(planned);
    has_plan_to_read_ = false;
    changed_.Signal();
    std::optional<HelperIsolate> helper;  // for all modules, and only if there is one to restore
    for (Entry& entry : entries_) {       // Nobody adds or removes any from now on.
      if (has_ended_ || entry.state != State::Waiting) continue;
      entry.state = State::Running;
      lock.unlock();
      const bool is_done = Restore(entry, helper);
      lock.lock();
      // A program that ends in the middle has not used it.
      entry.state = is_done ? State::Done : has_ended_ ? State::Waiting : State::Failed;
      changed_.Signal();
    }
    lock.unlock();
    helper.reset();
    lock.lock();
  }

  // The entry belongs to this thread while it is Running.
  bool Restore(Entry& entry, std::optional<HelperIsolate>& helper) {
    const PlannedModule& planned = entry.planned;
    if (files_->HasLoadingNote(engine_.folder, planned.key)) return false;
    Descriptor file;
    ArtifactFile artifact;
    const ExpectedArtifact expected{engine_.format_version, planned.key, engine_.id, planned.wire_length};
    file.Reset(files_->OpenArtifact(engine_.folder, planned.key));
    if (!file.is_open() || !artifact.ReadHeader(file.get(), expected)) return false;
    // In memory of its own: V8 gets exactly what it wrote.
    std::unique_ptr<uint8_t[]> native_code(new (std::nothrow) uint8_t[artifact.native_length()]);
    if (!native_code || !artifact.ReadNativeCode(file.get(), native_code.get(), has_ended_)) return false;
    Restoring restoring;
    // V8 ends the process when it restores code for bytes that are no module: the hash comes before the code.
    if (!files_->ReadWireBytes(planned, [&](ByteSpan piece) { restoring.Add(piece); }, has_ended_)) return false;
    if (!helper) helper.emplace(platform_);
    if (has_ended_) return false;  // What comes now cannot be stopped.
    CompiledWasmModule compiled;
    {
      const SteadyFlags steady;
      std::optional<WatchedLoad> watched;
      if (engine_.writes) watched.emplace(files_->LoadingNote(engine_.folder, planned.key));
      if (!helper->Restore(restoring, {native_code.get(), artifact.native_length()}, compiled)) return false;
    }
    entry.source_url = compiled.source_url;
    entry.native_module = compiled.native_module;
    entry.held = std::move(compiled.native_module);
    entry.header = artifact.header();
    return true;
  }

  std::mutex mutex_;
  Condition changed_;
  Thread thread_;
  std::optional<PreloadFiles> files_;  // set before the thread starts
  Engine engine_{};
  Platform* platform_ = nullptr;
  std::deque<Entry> entries_;
  std::deque<Kept> kept_;
  size_t keeps_ = 0;
  bool has_plan_to_read_ = false;
  bool is_busy_ = false;
  std::atomic<bool> has_ended_{false};
};

// startPreload(directory: string, program: string, engineId: string, engineFolder: string, formatVersion: number,
// writes: boolean)
napi_value StartPreload(napi_env env, napi_callback_info info) {
  napi_value args[6];
  std::string directory, program;
  Preload::Engine engine;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], directory) || !StringOf(env, args[1], program) ||
      !StringOf(env, args[2], engine.id) || !StringOf(env, args[3], engine.folder) ||
      !Uint32Of(env, args[4], engine.format_version) || !BooleanOf(env, args[5], engine.writes)) {
    return ThrowTypeError(env, "Expected four strings, a number and a boolean");
  }
  // With one processor the thread would only take time from the program.
  if (Thread::HasProcessorToSpare()) {
    Preload::Instance().Start({directory, program}, std::move(engine), Node().platform_of(CurrentEnvironment()));
  }
  return Undefined(env);
}

// takePreloaded(wireBytes: Uint8Array) -> [module, header of its artifact], or undefined
napi_value TakePreloaded(napi_env env, napi_callback_info info) {
  napi_value args[1];
  ByteSpan wire_bytes{};
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], wire_bytes)) {
    return ThrowTypeError(env, "Expected a Uint8Array");
  }
  std::optional<Preload::Found> found = Preload::Instance().Take(wire_bytes);
  if (!found) return Undefined(env);
  napi_value module = ToModule(env, found->module);
  return IsModule(module) ? Array(env, {module, CopyToBuffer(env, {found->header.data(), found->header.size()})})
                          : Undefined(env);
}

// keepForPreload(directory: string, program: string, key: string, module)
napi_value KeepForPreload(napi_env env, napi_callback_info info) {
  napi_value args[4];
  std::string directory, program;
  PlannedModule planned;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], directory) || !StringOf(env, args[1], program) ||
      !StringOf(env, args[2], planned.key) || !IsModule(args[3])) {
    return ThrowTypeError(env, "Expected three strings and a WebAssembly.Module");
  }
  CompiledWasmModule compiled = CompiledModuleOf(args[3]);
  planned.wire_length = V8().get_wire_bytes_ref(&compiled).size;
  Preload::Instance().Keep({directory, program}, std::move(planned), std::move(compiled));
  return Undefined(env);
}

// isPreloadIdle() -> boolean, for tests
napi_value IsPreloadIdle(napi_env env, napi_callback_info) { return Boolean(env, Preload::Instance().IsIdle()); }

}  // namespace

void ExportPreload(napi_env env, napi_value exports) {
  if (!V8().can_deserialize() || !V8().allow_wasm || !HelperIsolate::IsAvailable(env)) return;
  ExportFunction(env, exports, "startPreload", StartPreload);
  ExportFunction(env, exports, "takePreloaded", TakePreloaded);
  ExportFunction(env, exports, "keepForPreload", KeepForPreload);
  ExportFunction(env, exports, "isPreloadIdle", IsPreloadIdle);
}
