// The modules of this process that may have code to save, from all threads. Holds the native modules, so what a program
// has dropped, and what a terminated worker has left behind, can be saved too: at the latest by the main thread.
#include <list>
#include <mutex>
#include <string>

#include "node-api.h"
#include "subjects.h"
#include "threads-of-node.h"
#include "v8.h"

namespace {

// Wire bytes; native code takes some times as much.
constexpr size_t kMaxModules = 32, kMaxBytes = 64 * 1024 * 1024;

class UnsavedModules {
 public:
  struct Entry {
    uint32_t id;
    uint32_t uses;  // threads that keep it
    size_t size;
    std::string details;
    CompiledWasmModule module;
  };
  // Whatever is let go is destructed without the lock: V8 may have to wait for threads that compile it.
  using Entries = std::list<Entry>;

  static UnsavedModules& Instance() {
    static auto* instance = [] {
      AtEndOfProcess([] { Instance().End(); });
      return new UnsavedModules();  // never destructed: other threads may run when the process calls its destructors
    }();
    return *instance;
  }

  // Zero when the module alone is too large. The oldest ones make room.
  uint32_t Keep(CompiledWasmModule module, std::string details) {
    size_t size = V8().get_wire_bytes_ref(&module).size;
    Entries gone;
    std::lock_guard<std::mutex> lock(mutex_);
    for (Entry& entry : entries_) {
      if (entry.module.native_module != module.native_module) continue;
      ++entry.uses;
      return entry.id;
    }
    if (has_ended_ || size > kMaxBytes) return 0;
    while (!entries_.empty() && (entries_.size() >= kMaxModules || bytes_ + size > kMaxBytes)) {
      Remove(entries_.begin(), gone);
    }
    entries_.push_back({++last_id_, 1, size, std::move(details), std::move(module)});
    bytes_ += size;
    return last_id_;
  }

  void LetGo(uint32_t id) {
    Entries gone;
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->id != id) continue;
      if (--entry->uses == 0) Remove(entry, gone);
      return;
    }
  }

  bool Find(uint32_t id, CompiledWasmModule& out) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Entry& entry : entries_) {
      if (entry.id != id) continue;
      out = entry.module;
      return true;
    }
    return false;
  }

  Entries TakeAll() {
    Entries all;
    std::lock_guard<std::mutex> lock(mutex_);
    all.swap(entries_);
    bytes_ = 0;
    return all;
  }

  void End() {
    Entries gone = TakeAll();
    std::lock_guard<std::mutex> lock(mutex_);
    has_ended_ = true;
    gone.splice(gone.end(), entries_);
  }

 private:
  void Remove(Entries::iterator entry, Entries& gone) {
    bytes_ -= entry->size;
    gone.splice(gone.end(), entries_, entry);
  }

  std::mutex mutex_;
  Entries entries_;  // the oldest one first
  size_t bytes_ = 0;
  uint32_t last_id_ = 0;
  bool has_ended_ = false;
};

// keepUnsaved(module, details: string) -> a number for the functions below, or 0 when it is too large
napi_value KeepUnsaved(napi_env env, napi_callback_info info) {
  napi_value args[2];
  std::string details;
  if (!Arguments(env, info, args) || !IsModule(args[0]) || !StringOf(env, args[1], details)) {
    return ThrowTypeError(env, "Expected a WebAssembly.Module and a string");
  }
  return Uint32(env, UnsavedModules::Instance().Keep(CompiledModuleOf(args[0]), std::move(details)));
}

// letGoOfUnsaved(number): this thread has saved it
napi_value LetGoOfUnsaved(napi_env env, napi_callback_info info) {
  napi_value args[1];
  uint32_t id = 0;
  if (!Arguments(env, info, args) || !Uint32Of(env, args[0], id)) return ThrowTypeError(env, "Expected a number");
  UnsavedModules::Instance().LetGo(id);
  return Undefined(env);
}

// findUnsaved(number) -> a WebAssembly.Module of this thread, or undefined when it is gone by now
napi_value FindUnsaved(napi_env env, napi_callback_info info) {
  napi_value args[1];
  uint32_t id = 0;
  if (!Arguments(env, info, args) || !Uint32Of(env, args[0], id)) return ThrowTypeError(env, "Expected a number");
  CompiledWasmModule compiled;
  return UnsavedModules::Instance().Find(id, compiled) ? ToModule(env, compiled) : Undefined(env);
}

// takeUnsaved() -> [module, details][]: all of them, of all threads. None is kept any more.
napi_value TakeUnsaved(napi_env env, napi_callback_info) {
  std::vector<napi_value> taken;
  for (const UnsavedModules::Entry& entry : UnsavedModules::Instance().TakeAll()) {
    taken.push_back(Array(env, {ToModule(env, entry.module), String(env, entry.details.c_str())}));
  }
  return Array(env, taken);
}

}  // namespace

void ExportUnsavedModules(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "keepUnsaved", KeepUnsaved);
  ExportFunction(env, exports, "letGoOfUnsaved", LetGoOfUnsaved);
  ExportFunction(env, exports, "findUnsaved", FindUnsaved);
  ExportFunction(env, exports, "takeUnsaved", TakeUnsaved);
}
