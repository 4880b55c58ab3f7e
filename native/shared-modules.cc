// Live modules by name for all threads of the process. V8 shares a module's native code among its isolates, and keeps
// it for as long as anybody holds it, also when the thread that compiled it has ended.
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "external.h"
#include "subjects.h"
#include "threads-of-node.h"
#include "v8.h"

namespace {

// The least recently used module is the first to go.
class SharedModules {
 public:
  static constexpr napi_type_tag tag{0x6d1f1e0c2a8b4f57, 0x9be3a4c1d05f7e21};

  struct Limits {
    double modules;
    double bytes;
  };

  // The table of that name. Tables are never deleted: threads have pointers to them.
  static SharedModules* Open(const std::string& name) {
    std::lock_guard<std::mutex> lock(All().mutex);
    SharedModules*& found = All().tables[name];
    if (!found) found = new SharedModules();
    return found;
  }

  // A number that belongs to this module under this name. Zero when the module alone is over the limits.
  uint32_t Save(const std::string& name, CompiledWasmModule module, const Limits& limits) {
    size_t size = V8().get_wire_bytes_ref(&module).size;
    std::list<Entry> gone;  // destructed without the lock: V8 may have to wait for threads that compile them
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = by_name_.find(name);
    if (found != by_name_.end()) {
      if (found->second->module.native_module == module.native_module) {
        entries_.splice(entries_.end(), entries_, found->second);
        return found->second->id;
      }
      Remove(found->second, gone);
    }
    if (static_cast<double>(size) > limits.bytes) return 0;
    while (!entries_.empty() && (static_cast<double>(entries_.size() + 1) > limits.modules ||
                                 static_cast<double>(bytes_ + size) > limits.bytes)) {
      Remove(entries_.begin(), gone);
    }
    entries_.push_back({name, ++last_id_, size, std::move(module)});
    by_name_[name] = std::prev(entries_.end());
    bytes_ += size;
    return last_id_;
  }

  // Its number, or zero.
  uint32_t Find(const std::string& name, bool is_use) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end()) return 0;
    if (is_use) entries_.splice(entries_.end(), entries_, found->second);
    return found->second->id;
  }

  // False when the module of that name is no longer the one of that number.
  bool Load(const std::string& name, uint32_t id, CompiledWasmModule& out) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end() || found->second->id != id) return false;
    out = found->second->module;
    return true;
  }

 private:
  // Never destructed: other threads may still run when the process calls its destructors.
  struct Tables {
    std::mutex mutex;
    std::unordered_map<std::string, SharedModules*> tables;
  };

  static Tables& All() {
    static auto* all = [] {
      AtEndOfLastThread([] {
        std::lock_guard<std::mutex> lock(All().mutex);
        for (auto& [name, table] : All().tables) table->Clear();
      });
      return new Tables();
    }();
    return *all;
  }

  struct Entry {
    std::string name;
    uint32_t id;
    size_t size;
    CompiledWasmModule module;
  };
  using Position = std::list<Entry>::iterator;

  void Clear() {
    std::list<Entry> gone;
    std::lock_guard<std::mutex> lock(mutex_);
    gone.swap(entries_);
    by_name_.clear();
    bytes_ = 0;
  }

  void Remove(Position entry, std::list<Entry>& gone) {
    bytes_ -= entry->size;
    by_name_.erase(entry->name);
    gone.splice(gone.end(), entries_, entry);
  }

  std::mutex mutex_;
  std::list<Entry> entries_;  // the least recently used one first
  std::unordered_map<std::string, Position> by_name_;
  size_t bytes_ = 0;
  uint32_t last_id_ = 0;
};

// openShared(table: string) -> the table that the functions below take
napi_value OpenShared(napi_env env, napi_callback_info info) {
  napi_value args[1];
  std::string name;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], name)) return ThrowTypeError(env, "Expected a string");
  return TaggedExternal(env, SharedModules::Open(name), nullptr);
}

// saveShared(table, name: string, module, maxModules: number, maxBytes: number) -> its number, or 0 when it is too
// large
napi_value SaveShared(napi_env env, napi_callback_info info) {
  napi_value args[5];
  SharedModules* table = nullptr;
  std::string name;
  SharedModules::Limits limits{};
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], table) || !StringOf(env, args[1], name) ||
      !IsModule(args[2]) || napi_get_value_double(env, args[3], &limits.modules) != napi_ok ||
      napi_get_value_double(env, args[4], &limits.bytes) != napi_ok) {
    return ThrowTypeError(env, "Expected a table, a name, a WebAssembly.Module and two numbers");
  }
  return Uint32(env, table->Save(name, CompiledModuleOf(args[2]), limits));
}

// findShared(table, name: string, isUse: boolean) -> its number, or 0
napi_value FindShared(napi_env env, napi_callback_info info) {
  napi_value args[3];
  SharedModules* table = nullptr;
  std::string name;
  bool is_use = false;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], table) || !StringOf(env, args[1], name) ||
      !BooleanOf(env, args[2], is_use)) {
    return ThrowTypeError(env, "Expected a table, a name and a boolean");
  }
  return Uint32(env, table->Find(name, is_use));
}

// loadShared(table, name: string, number) -> a WebAssembly.Module of this thread, or undefined when it is gone by now
napi_value LoadShared(napi_env env, napi_callback_info info) {
  napi_value args[3];
  SharedModules* table = nullptr;
  std::string name;
  uint32_t id = 0;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], table) || !StringOf(env, args[1], name) ||
      !Uint32Of(env, args[2], id)) {
    return ThrowTypeError(env, "Expected a table, a name and a number");
  }
  CompiledWasmModule compiled;
  return table->Load(name, id, compiled) ? ToModule(env, compiled) : Undefined(env);
}

}  // namespace

void ExportSharedModules(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "openShared", OpenShared);
  ExportFunction(env, exports, "saveShared", SaveShared);
  ExportFunction(env, exports, "findShared", FindShared);
  ExportFunction(env, exports, "loadShared", LoadShared);
}
