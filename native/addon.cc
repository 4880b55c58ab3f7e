// The door to V8's native code for WebAssembly, as a Node-API addon.
//
// Node exports V8's C++ API from its binary, but Node-API has no call for it. A napi_value is a handle slot, which is
// all that v8::Local is, so the few classes that are needed are declared here by layout and their functions are looked
// up with dlsym: one binary serves every Node version, and a missing or changed function is a null pointer and an
// "unsupported", never a lazy-binding failure that kills the process.
#include <node_api.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "link.h"
#include "values.h"

#if WMC_PLATFORM_SUPPORTED
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace {

napi_value Boolean(napi_env env, bool b) {
  napi_value value = nullptr;
  napi_get_boolean(env, b, &value);
  return value;
}

#if WMC_PLATFORM_SUPPORTED

// ---- V8's shapes (v8-wasm.h, v8-memory-span.h), named differently so that no symbol can collide ----

struct Isolate;

struct CompiledWasmModule {
  std::shared_ptr<void> native_module;
  std::string source_url;
};

struct OwnedBuffer {
  std::unique_ptr<const uint8_t[]> bytes;
  size_t size = 0;
};

// v8::Local<T>: one pointer to a handle slot. The tag keeps std::variant's two alternatives apart.
template <int tag>
struct Local {
  void** slot;
};

// Implemented by V8 only. Called through its table of virtual functions by hand: a compiler that sees an interface which
// nothing in this file implements may call "pure virtual" instead (GCC 12 does).
struct ModuleCachingInterface {
  void** virtual_functions;  // GetWireBytes, SetCachedCompiledModuleBytes

  bool SetCachedCompiledModuleBytes(ByteSpan bytes) {
    return reinterpret_cast<bool (*)(ModuleCachingInterface*, ByteSpan)>(virtual_functions[1])(this, bytes);
  }
};

struct WasmModuleCompilation {
  void* impl;
};

using CachingCallback = std::function<void(ModuleCachingInterface&)>;
using ResolutionCallback = std::function<void(std::variant<Local<0>, Local<1>>)>;

// A member function's `this` is an ordinary first argument in the ABIs that are supported here.
struct V8Functions {
  Isolate* (*isolate_get_current)();
  bool (*is_wasm_module_object)(const void* value);
  CompiledWasmModule (*get_compiled_module)(void* module_object);
  void** (*from_compiled_module)(Isolate*, const CompiledWasmModule&);
  OwnedBuffer (*serialize)(CompiledWasmModule*);
  ByteSpan (*get_wire_bytes_ref)(CompiledWasmModule*);

  uint32_t (*cached_data_version_tag)();
  void (*set_flags_from_string)(const char*, size_t);

  void (*compilation_construct)(WasmModuleCompilation*);
  void (*compilation_destruct)(WasmModuleCompilation*);
  void (*compilation_set_has_compiled_module_bytes)(WasmModuleCompilation*);
  void (*compilation_on_bytes_received)(WasmModuleCompilation*, const uint8_t*, size_t);
  void (*compilation_finish)(WasmModuleCompilation*, Isolate*, const CachingCallback&, const ResolutionCallback&);
  void (*compilation_abort)(WasmModuleCompilation*);

  bool can_serialize() const {
    return isolate_get_current && is_wasm_module_object && get_compiled_module && from_compiled_module && serialize &&
           get_wire_bytes_ref && cached_data_version_tag && set_flags_from_string;
  }
  bool can_deserialize() const {
    return can_serialize() && compilation_construct && compilation_destruct &&
           compilation_set_has_compiled_module_bytes && compilation_on_bytes_received && compilation_finish &&
           compilation_abort;
  }
};

const V8Functions& V8() {
  static const V8Functions functions = [] {
    V8Functions v8{};
    Resolve(v8.isolate_get_current, "_ZN2v87Isolate10GetCurrentEv");
    Resolve(v8.is_wasm_module_object, "_ZNK2v85Value18IsWasmModuleObjectEv");
    Resolve(v8.get_compiled_module, "_ZN2v816WasmModuleObject17GetCompiledModuleEv");
    Resolve(v8.from_compiled_module,
            "_ZN2v816WasmModuleObject18FromCompiledModuleEPNS_7IsolateERKNS_18CompiledWasmModuleE");
    Resolve(v8.serialize, "_ZN2v818CompiledWasmModule9SerializeEv");
    Resolve(v8.get_wire_bytes_ref, "_ZN2v818CompiledWasmModule15GetWireBytesRefEv");
    Resolve(v8.cached_data_version_tag, "_ZN2v814ScriptCompiler20CachedDataVersionTagEv");
    Resolve(v8.set_flags_from_string, "_ZN2v82V818SetFlagsFromStringEPKcm");
    Resolve(v8.compilation_construct, "_ZN2v821WasmModuleCompilationC1Ev");
    Resolve(v8.compilation_destruct, "_ZN2v821WasmModuleCompilationD1Ev");
    Resolve(v8.compilation_set_has_compiled_module_bytes,
            "_ZN2v821WasmModuleCompilation25SetHasCompiledModuleBytesEv");
    Resolve(v8.compilation_on_bytes_received, "_ZN2v821WasmModuleCompilation15OnBytesReceivedEPKhm");
    Resolve(v8.compilation_finish,
            "_ZN2v821WasmModuleCompilation6FinishEPNS_7IsolateERKSt8functionIFvRNS_13WasmStreaming"
            "22ModuleCachingInterfaceEEERKS3_IFvSt7variantIJNS_5LocalINS_16WasmModuleObjectEEENSC_INS_5ValueEEEEEEE");
    Resolve(v8.compilation_abort, "_ZN2v821WasmModuleCompilation5AbortEv");
    return v8;
  }();
  return functions;
}

// Casting anything but a WebAssembly.Module crashes V8, so every entry goes through this brand check.
bool IsModule(napi_value value) { return value && V8().is_wasm_module_object(reinterpret_cast<void*>(value)); }

CompiledWasmModule CompiledModuleOf(napi_value module) {
  return V8().get_compiled_module(reinterpret_cast<void*>(module));
}

napi_value ToUint32Array(napi_env env, const std::vector<uint32_t>& numbers) {
  size_t size = numbers.size() * sizeof(uint32_t);
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, size, &data, &buffer) != napi_ok) return Undefined(env);
  if (size > 0) std::memcpy(data, numbers.data(), size);
  napi_create_typedarray(env, napi_uint32_array, numbers.size(), buffer, 0, &array);
  return array;
}

// V8's flags are the process's, and their hash is part of what V8 writes and of what it accepts: whoever changes them for a
// moment keeps all others, who only need them to stay as they are, out for that moment.
std::shared_mutex& FlagsMutex() {
  static auto* mutex = new std::shared_mutex();
  return *mutex;
}

// What the callback returns, or throws.
napi_value Call(napi_env env, napi_value callback) {
  napi_value result = nullptr;
  napi_call_function(env, Undefined(env), callback, 0, nullptr, &result);
  return result;
}

void SetV8Flags(const std::string& flags) { V8().set_flags_from_string(flags.data(), flags.size()); }

// changeFlags(set: string, reset: string, callback): the flags are set while the callback runs, and then set back. Not by the
// callback itself: in a worker that is terminated no `finally` runs. And always: whether they were set before cannot be told by
// V8's hash of them (see VersionTag).
napi_value ChangeFlags(napi_env env, napi_callback_info info) {
  napi_value args[3];
  std::string set;
  std::string reset;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], set) || !StringOf(env, args[1], reset)) {
    return ThrowTypeError(env, "Expected two strings and a function");
  }
  std::unique_lock<std::shared_mutex> lock(FlagsMutex());
  SetV8Flags(set);
  napi_value result = Call(env, args[2]);
  SetV8Flags(reset);
  return result;
}

// withSteadyFlags(callback): the callback is called while no other thread is in changeFlags
napi_value WithSteadyFlags(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args)) return ThrowTypeError(env, "Expected a function");
  std::shared_lock<std::shared_mutex> lock(FlagsMutex());
  return Call(env, args[0]);
}

// serialize(module) -> Buffer, or undefined when V8 has optimised nothing yet
napi_value Serialize(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  CompiledWasmModule compiled = CompiledModuleOf(args[0]);
  OwnedBuffer native_code = V8().serialize(&compiled);
  if (native_code.size == 0) return Undefined(env);
  // Handed over, not copied: a copy of 10 MB costs as much as the serialising.
  auto* bytes = const_cast<uint8_t*>(native_code.bytes.release());
  napi_value buffer = nullptr;
  auto free_bytes = [](napi_env, void* data, void*) { delete[] static_cast<const uint8_t*>(data); };
  if (napi_create_external_buffer(env, native_code.size, bytes, free_bytes, nullptr, &buffer) == napi_ok) return buffer;
  buffer = CopyToBuffer(env, bytes, native_code.size);
  delete[] bytes;
  return buffer;
}

// wireBytes(module) -> Buffer
napi_value WireBytes(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  CompiledWasmModule compiled = CompiledModuleOf(args[0]);
  ByteSpan wire_bytes = V8().get_wire_bytes_ref(&compiled);
  return CopyToBuffer(env, wire_bytes.data, wire_bytes.size);
}

// hasWireBytes(module, Uint8Array) -> boolean: whether the module was compiled from exactly these bytes
napi_value HasWireBytes(napi_env env, napi_callback_info info) {
  napi_value args[2];
  ByteSpan bytes{};
  if (!Arguments(env, info, args) || !IsModule(args[0]) || !BytesOf(env, args[1], bytes)) {
    return ThrowTypeError(env, "Expected a WebAssembly.Module and a Uint8Array");
  }
  CompiledWasmModule compiled = CompiledModuleOf(args[0]);
  ByteSpan wire_bytes = V8().get_wire_bytes_ref(&compiled);
  bool equal = wire_bytes.size == bytes.size && std::memcmp(wire_bytes.data, bytes.data, bytes.size) == 0;
  return Boolean(env, equal);
}

// clone(module) -> a new WebAssembly.Module over the same native code, as posting it would give
napi_value Clone(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  CompiledWasmModule compiled = CompiledModuleOf(args[0]);
  void** slot = V8().from_compiled_module(V8().isolate_get_current(), compiled);
  return slot ? reinterpret_cast<napi_value>(slot) : Undefined(env);
}

// Live modules by name for all threads of the process, the least recently used one first to go. V8 shares the native code of
// a module between isolates and keeps it for as long as anybody holds it, also when the thread that compiled it is gone.
class SharedModules {
 public:
  struct Limits {
    double modules;
    double bytes;
  };

  // The one of that name. The tables themselves stay: threads have pointers to them.
  static SharedModules* Open(const std::string& name) {
    std::lock_guard<std::mutex> lock(All().mutex);
    SharedModules*& found = All().tables[name];
    if (!found) found = new SharedModules();
    return found;
  }

  // V8 waits, at the end of the process, until every module is gone, for ever. So they go with the last thread that has this
  // addon: where the main thread is one, all others have ended by then.
  static void ThreadStarts(napi_env env) {
    ++All().threads;
    // The argument only has to be another one each time.
    napi_add_env_cleanup_hook(
        env,
        [](void* argument) {
          delete static_cast<char*>(argument);
          if (--All().threads > 0) return;
          std::lock_guard<std::mutex> lock(All().mutex);
          for (auto& [name, table] : All().tables) table->Clear();
        },
        new char);
  }

  // A number that belongs to this module under this name; zero when the module alone is over the limits.
  uint32_t Save(const std::string& name, CompiledWasmModule module, const Limits& limits) {
    size_t size = V8().get_wire_bytes_ref(&module).size;
    std::list<Entry> gone;  // let go without the lock: V8 may have to wait for what is compiling them
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

  // The module, as long as it is the one of that number.
  bool Load(const std::string& name, uint32_t id, CompiledWasmModule& out) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end() || found->second->id != id) return false;
    out = found->second->module;
    return true;
  }

 private:
  // Never destructed, because other threads may still run when the process calls its destructors.
  struct Tables {
    std::mutex mutex;
    std::unordered_map<std::string, SharedModules*> tables;
    std::atomic<int> threads{0};
  };

  static Tables& All() {
    static auto* all = new Tables();
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

// openShared(table: string) -> what the others want
napi_value OpenShared(napi_env env, napi_callback_info info) {
  napi_value args[1];
  std::string name;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], name)) return ThrowTypeError(env, "Expected a string");
  napi_value external = nullptr;
  napi_create_external(env, SharedModules::Open(name), nullptr, nullptr, &external);
  return external;
}

// saveShared(table, name: string, module, maxModules: number, maxBytes: number) -> its number, or 0 when it is too large
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
  napi_value id = nullptr;
  napi_create_uint32(env, table->Save(name, CompiledModuleOf(args[2]), limits), &id);
  return id;
}

// findShared(table, name: string, isUse: boolean) -> its number, or 0
napi_value FindShared(napi_env env, napi_callback_info info) {
  napi_value args[3];
  SharedModules* table = nullptr;
  std::string name;
  bool is_use = false;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], table) || !StringOf(env, args[1], name) ||
      napi_get_value_bool(env, args[2], &is_use) != napi_ok) {
    return ThrowTypeError(env, "Expected a table, a name and a boolean");
  }
  napi_value id = nullptr;
  napi_create_uint32(env, table->Find(name, is_use), &id);
  return id;
}

// loadShared(table, name: string, number) -> a WebAssembly.Module of this thread, or undefined when it is gone by now
napi_value LoadShared(napi_env env, napi_callback_info info) {
  napi_value args[3];
  SharedModules* table = nullptr;
  std::string name;
  uint32_t id = 0;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], table) || !StringOf(env, args[1], name) ||
      napi_get_value_uint32(env, args[2], &id) != napi_ok) {
    return ThrowTypeError(env, "Expected a table, a name and a number");
  }
  CompiledWasmModule compiled;
  if (!table->Load(name, id, compiled)) return Undefined(env);
  void** slot = V8().from_compiled_module(V8().isolate_get_current(), compiled);
  return slot ? reinterpret_cast<napi_value>(slot) : Undefined(env);
}

// A module of which V8 has a copy of the wire bytes and awaits the native code. Ends with finish or with abort.
class Restoring {
 public:
  explicit Restoring(ByteSpan wire_bytes) {
    V8().compilation_construct(&compilation_);
    V8().compilation_set_has_compiled_module_bytes(&compilation_);  // V8 aborts when this comes after the first bytes
    V8().compilation_on_bytes_received(&compilation_, wire_bytes.data, wire_bytes.size);
  }
  Restoring(const Restoring&) = delete;
  Restoring& operator=(const Restoring&) = delete;
  ~Restoring() { Abort(); }

  void Abort() {
    if (is_over_) return;
    V8().compilation_abort(&compilation_);
    End();
  }

  // The module, or undefined when V8 refuses.
  napi_value Finish(napi_env env, ByteSpan native_code) {
    if (is_over_) return Undefined(env);
    // V8 keeps the second callback: when it refuses the native code it compiles in the background and calls that callback
    // from the event loop, long after this function returned. So what the callback touches is owned by the callback.
    struct Result {
      bool is_over = false;
      napi_ref module = nullptr;
    };
    auto result = std::make_shared<Result>();
    bool accepted = false;
    V8().compilation_finish(
        &compilation_, V8().isolate_get_current(),
        [&](ModuleCachingInterface& caching) { accepted = caching.SetCachedCompiledModuleBytes(native_code); },
        [env, result](std::variant<Local<0>, Local<1>> outcome) {
          if (result->is_over || outcome.index() != 0) return;
          // The slot belongs to a handle scope that V8 closes when this callback returns; a reference outlives it.
          napi_create_reference(env, reinterpret_cast<napi_value>(std::get<0>(outcome).slot), 1, &result->module);
        });
    End();
    result->is_over = true;

    if (!result->module) return Undefined(env);
    napi_value module = nullptr;
    napi_get_reference_value(env, result->module, &module);
    napi_delete_reference(env, result->module);
    return accepted && IsModule(module) ? module : Undefined(env);
  }

 private:
  void End() {
    V8().compilation_destruct(&compilation_);
    is_over_ = true;
  }

  WasmModuleCompilation compilation_;
  bool is_over_ = false;
};

// deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array) -> WebAssembly.Module, or undefined when V8 refuses
napi_value Deserialize(napi_env env, napi_callback_info info) {
  napi_value args[2];
  ByteSpan native_code{};
  ByteSpan wire_bytes{};
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], native_code) || !BytesOf(env, args[1], wire_bytes)) {
    return ThrowTypeError(env, "Expected two Uint8Arrays: native code and wire bytes");
  }
  if (!V8().can_deserialize()) return Undefined(env);
  return Restoring(wire_bytes).Finish(env, native_code);
}

// ---- What node:v8, node:crypto and node:zlib do, without the 15 ms that loading those three takes at start-up ----

// The tag after V8 was made to hash its flags again, as it does after any change; this flag is for V8's own tests only.
uint32_t FreshVersionTag() {
  SetV8Flags("--testing-int-flag=14");
  SetV8Flags("--testing-int-flag=13");  // V8's default
  return V8().cached_data_version_tag();
}

// versionTag() -> number, as v8.cachedDataVersionTag(), but of the flags as they are. V8 keeps the hash of its flags. A thread in
// which V8 computed it while they were other ones for a moment, as every worker that starts may do, stores it when that moment may
// be over, and it then stays. So a tag that is not the last one is believed only when V8 finds the same twice.
// Not to be called in changeFlags or withSteadyFlags, which hold the mutex.
napi_value VersionTag(napi_env env, napi_callback_info) {
  static std::atomic<uint32_t> last{0};
  uint32_t tag = 0;
  {
    std::shared_lock<std::shared_mutex> lock(FlagsMutex());
    tag = V8().cached_data_version_tag();
  }
  if (tag != last) {
    std::unique_lock<std::shared_mutex> lock(FlagsMutex());
    do {
      last = tag;
      tag = FreshVersionTag();
    } while (tag != last);
  }
  napi_value value = nullptr;
  napi_create_uint32(env, tag, &value);
  return value;
}

// setFlags(string), as v8.setFlagsFromString()
napi_value SetFlags(napi_env env, napi_callback_info info) {
  napi_value args[1];
  std::string flags;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], flags)) return ThrowTypeError(env, "Expected a string");
  SetV8Flags(flags);
  return Undefined(env);
}

// The functions of the OpenSSL, zlib and Zstandard inside Node's binary: plain C, stable for years.
struct Digests {
  int (*evp_digest)(const void* data, size_t count, uint8_t* digest, unsigned* size, const void* type, void* engine);
  const void* (*evp_sha256)();
  unsigned long (*crc32)(unsigned long crc, const uint8_t* data, unsigned length);
  void* (*hmac_new)();
  void (*hmac_free)(void* hmac);
  int (*hmac_init)(void* hmac, const void* secret, int size, const void* type, void* engine);
  int (*hmac_update)(void* hmac, const uint8_t* data, size_t size);
  int (*hmac_final)(void* hmac, uint8_t* digest, unsigned* size);
  size_t (*zstd_decompress)(void* to, size_t capacity, const void* from, size_t size);
  unsigned (*zstd_is_error)(size_t result);
};

const Digests& DigestFunctions() {
  static const Digests functions = [] {
    Digests digests{};
    Resolve(digests.evp_digest, "EVP_Digest");
    Resolve(digests.evp_sha256, "EVP_sha256");
    Resolve(digests.crc32, "crc32");
    if (!digests.crc32) Resolve(digests.crc32, "Cr_z_crc32");
    Resolve(digests.hmac_new, "HMAC_CTX_new");
    Resolve(digests.hmac_free, "HMAC_CTX_free");
    Resolve(digests.hmac_init, "HMAC_Init_ex");
    Resolve(digests.hmac_update, "HMAC_Update");
    Resolve(digests.hmac_final, "HMAC_Final");
    Resolve(digests.zstd_decompress, "ZSTD_decompress");
    Resolve(digests.zstd_is_error, "ZSTD_isError");
    return digests;
  }();
  return functions;
}

using Digest = uint8_t[32];

bool ComputeSha256(ByteSpan bytes, Digest& digest) {
  const Digests& digests = DigestFunctions();
  return digests.evp_digest && digests.evp_sha256 &&
         digests.evp_digest(bytes.data, bytes.size, digest, nullptr, digests.evp_sha256(), nullptr) == 1;
}

// Bytes that take longer to hash (0.7 ms/MB) than a thread takes to start (0.1 ms).
constexpr size_t kWorthAThread = 500'000;

// sha256(Uint8Array) -> Buffer of 32 bytes, or undefined where OpenSSL is not to be had this way
napi_value Sha256(napi_env env, napi_callback_info info) {
  napi_value args[1];
  ByteSpan bytes{};
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], bytes)) return ThrowTypeError(env, "Expected a Uint8Array");
  Digest digest;
  return ComputeSha256(bytes, digest) ? CopyToBuffer(env, digest, sizeof digest) : Undefined(env);
}

// receive(wireBytes: Uint8Array) -> [the SHA-256 of it, what finish or abort wants], or undefined as sha256. The hash is
// computed in another thread while this one copies the bytes for V8, which takes as long.
napi_value Receive(napi_env env, napi_callback_info info) {
  struct Work {
    ByteSpan bytes;
    Digest digest;
    bool is_done;
  } work{};
  napi_value args[1];
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], work.bytes)) {
    return ThrowTypeError(env, "Expected a Uint8Array");
  }
  if (!V8().can_deserialize()) return Undefined(env);
  void* (*run)(void*) = [](void* data) -> void* {
    auto* work = static_cast<Work*>(data);
    work->is_done = ComputeSha256(work->bytes, work->digest);
    return nullptr;
  };
  pthread_t thread;
  bool has_thread = work.bytes.size >= kWorthAThread && pthread_create(&thread, nullptr, run, &work) == 0;
  auto restoring = std::make_unique<Restoring>(work.bytes);
  if (has_thread) {
    pthread_join(thread, nullptr);
  } else {
    run(&work);
  }
  if (!work.is_done) return Undefined(env);

  napi_value result = nullptr;
  napi_value external = nullptr;
  auto finalize = [](napi_env, void* data, void*) { delete static_cast<Restoring*>(data); };
  if (napi_create_external(env, restoring.get(), finalize, nullptr, &external) != napi_ok) return Undefined(env);
  restoring.release();
  napi_create_array_with_length(env, 2, &result);
  napi_set_element(env, result, 0, CopyToBuffer(env, work.digest, sizeof work.digest));
  napi_set_element(env, result, 1, external);
  return result;
}

// finish(what receive gave, nativeCode: Uint8Array) -> WebAssembly.Module, or undefined when V8 refuses
napi_value Finish(napi_env env, napi_callback_info info) {
  napi_value args[2];
  Restoring* restoring = nullptr;
  ByteSpan native_code{};
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], restoring) || !BytesOf(env, args[1], native_code)) {
    return ThrowTypeError(env, "Expected what receive() gave and a Uint8Array: native code");
  }
  return restoring->Finish(env, native_code);
}

// abort(what receive gave)
napi_value Abort(napi_env env, napi_callback_info info) {
  napi_value args[1];
  Restoring* restoring = nullptr;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], restoring)) {
    return ThrowTypeError(env, "Expected what receive() gave");
  }
  restoring->Abort();
  return Undefined(env);
}

// Reads wire bytes from one end to the other. What is not there reads as zero, and leaves the reader not ok.
class WireReader {
 public:
  explicit WireReader(ByteSpan bytes, size_t at = 0) : bytes_(bytes), at_(at) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }
  bool is_at_end() const { return at_ >= bytes_.size; }

  uint8_t Byte() {
    if (at_ < bytes_.size) return bytes_.data[at_++];
    ok_ = false;
    return 0;
  }

  // LEB128 of 32 bits.
  uint32_t Number() {
    uint64_t number = 0;
    for (unsigned shift = 0; shift <= 28; shift += 7) {
      uint8_t byte = Byte();
      number |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) {
        ok_ = ok_ && number <= UINT32_MAX;
        return ok_ ? static_cast<uint32_t>(number) : 0;
      }
    }
    ok_ = false;
    return 0;
  }

  ByteSpan Bytes(size_t size) {
    if (!ok_ || size > bytes_.size - at_) {
      ok_ = false;
      return {bytes_.data, 0};
    }
    at_ += size;
    return {bytes_.data + at_ - size, size};
  }

 private:
  ByteSpan bytes_;
  size_t at_;
  bool ok_ = true;
};

class WireWriter {
 public:
  explicit WireWriter(size_t expected_size) { bytes_.reserve(expected_size); }

  std::vector<uint8_t>& bytes() { return bytes_; }
  void Byte(uint8_t byte) { bytes_.push_back(byte); }
  void Bytes(ByteSpan bytes) { bytes_.insert(bytes_.end(), bytes.data, bytes.data + bytes.size); }

  void Number(uint64_t number) {
    for (; number >= 0x80; number >>= 7) Byte(static_cast<uint8_t>(number) | 0x80);
    Byte(static_cast<uint8_t>(number));
  }

  void Section(uint8_t id, WireWriter& contents) {
    Byte(id);
    Number(contents.bytes_.size());
    Bytes({contents.bytes_.data(), contents.bytes_.size()});
  }

 private:
  std::vector<uint8_t> bytes_;
};

constexpr uint8_t kCustomSection = 0, kExportSection = 7, kCodeSection = 10, kDataSection = 11;
constexpr uint8_t kModuleHeader[] = {0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00};

// Where each function's body starts, with its length field, and where the last one ends. Empty when that cannot be told.
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

// What a program's exit would wait for: the SHA-256 of a module's wire bytes, and where its functions are. It takes a thread of
// its own 1 ms/MB; V8 keeps the bytes until Join.
class Reading {
 public:
  explicit Reading(CompiledWasmModule module) : module_(std::move(module)) {
    bytes_ = V8().get_wire_bytes_ref(&module_);
    has_thread_ = bytes_.size >= kWorthAThread && pthread_create(&thread_, nullptr, Run, this) == 0;
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() {
    if (has_thread_) pthread_join(thread_, nullptr);
  }

  void Join() {
    if (is_over_) return;
    if (has_thread_) {
      pthread_join(thread_, nullptr);
      has_thread_ = false;
    } else {
      Run(this);
    }
    is_over_ = true;
    module_ = {};
    bytes_ = {};
  }

  // After Join.
  bool has_digest() const { return has_digest_; }
  const Digest& digest() const { return digest_; }
  const std::vector<uint32_t>& body_starts() const { return body_starts_; }

 private:
  static void* Run(void* self) {
    auto* reading = static_cast<Reading*>(self);
    reading->has_digest_ = ComputeSha256(reading->bytes_, reading->digest_);
    reading->body_starts_ = BodyStarts(reading->bytes_);
    return nullptr;
  }

  CompiledWasmModule module_;
  ByteSpan bytes_{};
  pthread_t thread_;
  bool has_thread_;
  bool is_over_ = false;
  Digest digest_;
  bool has_digest_ = false;
  std::vector<uint32_t> body_starts_;
};

// startReading(module) -> what joinReading and withOnlyBodies want
napi_value StartReading(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!Arguments(env, info, args) || !IsModule(args[0])) return ThrowTypeError(env, "Expected a WebAssembly.Module");
  auto reading = std::make_unique<Reading>(CompiledModuleOf(args[0]));
  auto finalize = [](napi_env, void* data, void*) { delete static_cast<Reading*>(data); };
  napi_value external = nullptr;
  if (napi_create_external(env, reading.get(), finalize, nullptr, &external) != napi_ok) return Undefined(env);
  reading.release();
  return external;
}

// joinReading(what startReading gave) -> Buffer of 32 bytes: the SHA-256, or undefined as sha256
napi_value JoinReading(napi_env env, napi_callback_info info) {
  napi_value args[1];
  Reading* reading = nullptr;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], reading)) {
    return ThrowTypeError(env, "Expected what startReading() gave");
  }
  reading->Join();
  return reading->has_digest() ? CopyToBuffer(env, reading->digest(), sizeof(Digest)) : Undefined(env);
}

// crc32(Uint8Array) -> number, or undefined where zlib is not to be had this way
napi_value Crc32(napi_env env, napi_callback_info info) {
  napi_value args[1];
  ByteSpan bytes{};
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], bytes)) return ThrowTypeError(env, "Expected a Uint8Array");
  const Digests& digests = DigestFunctions();
  if (!digests.crc32) return Undefined(env);
  constexpr size_t step = size_t{1} << 30;  // zlib counts in unsigned int
  unsigned long crc = 0;
  for (size_t at = 0; at < bytes.size; at += step) {
    size_t length = bytes.size - at < step ? bytes.size - at : step;
    crc = digests.crc32(crc, bytes.data + at, static_cast<unsigned>(length));
  }
  napi_value value = nullptr;
  napi_create_uint32(env, static_cast<uint32_t>(crc), &value);
  return value;
}

// hmacSha256(secret: Uint8Array, parts: Uint8Array[]) -> Buffer of 32 bytes, or undefined as sha256
napi_value HmacSha256(napi_env env, napi_callback_info info) {
  napi_value args[2];
  ByteSpan secret{};
  uint32_t count = 0;
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], secret) || secret.size > INT32_MAX ||
      napi_get_array_length(env, args[1], &count) != napi_ok) {
    return ThrowTypeError(env, "Expected a Uint8Array and an array of them");
  }
  const Digests& digests = DigestFunctions();
  if (!digests.evp_sha256 || !digests.hmac_new || !digests.hmac_free || !digests.hmac_init || !digests.hmac_update ||
      !digests.hmac_final) {
    return Undefined(env);
  }
  std::unique_ptr<void, void (*)(void*)> hmac(digests.hmac_new(), digests.hmac_free);
  bool is_done = hmac && digests.hmac_init(hmac.get(), secret.data, static_cast<int>(secret.size),
                                           digests.evp_sha256(), nullptr) == 1;
  for (uint32_t index = 0; is_done && index < count; index++) {
    napi_value value = nullptr;
    ByteSpan part{};
    napi_get_element(env, args[1], index, &value);
    if (!BytesOf(env, value, part)) return ThrowTypeError(env, "Expected an array of Uint8Arrays");
    is_done = digests.hmac_update(hmac.get(), part.data, part.size) == 1;
  }
  Digest digest;
  unsigned size = sizeof digest;
  is_done = is_done && digests.hmac_final(hmac.get(), digest, &size) == 1 && size == sizeof digest;
  return is_done ? CopyToBuffer(env, digest, sizeof digest) : Undefined(env);
}

// A Zstandard frame that is unpacked in a thread of its own, into memory that JavaScript gets at the end.
class Unpacking {
 public:
  Unpacking(napi_env env, napi_value frame, ByteSpan from, napi_value buffer, void* to, size_t length)
      : env_(env), from_(from), to_(to), length_(length) {
    napi_create_reference(env, frame, 1, &frame_);
    napi_create_reference(env, buffer, 1, &buffer_);
    has_thread_ = length >= kWorthAThread && pthread_create(&thread_, nullptr, Run, this) == 0;
  }
  Unpacking(const Unpacking&) = delete;
  Unpacking& operator=(const Unpacking&) = delete;
  ~Unpacking() { Release(); }

  // Once; null when the frame is not what it should be.
  napi_value Join() {
    if (!has_thread_ && buffer_) Run(this);
    napi_value result = nullptr;
    napi_value buffer = nullptr;
    if (has_thread_) pthread_join(thread_, nullptr);
    has_thread_ = false;
    if (buffer_) napi_get_reference_value(env_, buffer_, &buffer);
    if (!is_whole_ || !buffer ||
        napi_create_typedarray(env_, napi_uint8_array, length_, buffer, 0, &result) != napi_ok) {
      napi_get_null(env_, &result);
    }
    Release();
    return result;
  }

 private:
  static void* Run(void* self) {
    auto* unpacking = static_cast<Unpacking*>(self);
    const Digests& digests = DigestFunctions();
    size_t result =
        digests.zstd_decompress(unpacking->to_, unpacking->length_, unpacking->from_.data, unpacking->from_.size);
    unpacking->is_whole_ = !digests.zstd_is_error(result) && result == unpacking->length_;
    return nullptr;
  }

  void Release() {
    if (has_thread_) pthread_join(thread_, nullptr);
    has_thread_ = false;
    if (frame_) napi_delete_reference(env_, frame_);
    if (buffer_) napi_delete_reference(env_, buffer_);
    frame_ = buffer_ = nullptr;
  }

  napi_env env_;
  // The memory stays where it is for as long as these are there.
  napi_ref frame_ = nullptr;
  napi_ref buffer_ = nullptr;
  ByteSpan from_;
  void* to_;
  size_t length_;
  pthread_t thread_;
  bool has_thread_;
  bool is_whole_ = false;
};

// startUnpacking(frame: Uint8Array, length: number) -> what joinUnpacking wants; undefined where this Node has no Zstandard. The frame is
// not to change meanwhile.
napi_value StartUnpacking(napi_env env, napi_callback_info info) {
  napi_value args[2];
  ByteSpan frame{};
  int64_t length = 0;
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], frame) ||
      napi_get_value_int64(env, args[1], &length) != napi_ok || length < 0) {
    return ThrowTypeError(env, "Expected a Uint8Array and a length");
  }
  const Digests& digests = DigestFunctions();
  if (!digests.zstd_decompress || !digests.zstd_is_error) return Undefined(env);
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value external = nullptr;
  if (napi_create_arraybuffer(env, static_cast<size_t>(length), &data, &buffer) != napi_ok) return Undefined(env);
  auto unpacking =
      std::make_unique<Unpacking>(env, args[0], frame, buffer, data, static_cast<size_t>(length));
  auto finalize = [](napi_env, void* data, void*) { delete static_cast<Unpacking*>(data); };
  if (napi_create_external(env, unpacking.get(), finalize, nullptr, &external) != napi_ok) return Undefined(env);
  unpacking.release();
  return external;
}

// joinUnpacking(what startUnpacking gave) -> Uint8Array of that length, over memory of its own; null when that is not what the frame
// holds. Once.
napi_value JoinUnpacking(napi_env env, napi_callback_info info) {
  napi_value args[1];
  Unpacking* unpacking = nullptr;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], unpacking)) {
    return ThrowTypeError(env, "Expected what startUnpacking() gave");
  }
  return unpacking->Join();
}

// The wire bytes that a Uint8Array holds, or those of a WebAssembly.Module where V8 keeps them: no copy of them, and no
// Buffer over them, whose size would make V8 collect garbage. `owner` keeps them alive.
bool WireBytesOf(napi_env env, napi_value source, CompiledWasmModule& owner, ByteSpan& out) {
  if (!IsModule(source)) return BytesOf(env, source, out);
  owner = CompiledModuleOf(source);
  out = V8().get_wire_bytes_ref(&owner);
  return true;
}

// The functions whose bodies stay: all of them, the smallest one, or those of a list in ascending order.
struct Kept {
  enum { All, Smallest, Listed } which = Listed;
  const uint32_t* listed = nullptr;
  size_t count = 0;
};

// A code section in which the bodies of all functions but the kept ones are the stub. Not ok when there are no such functions.
// `starts`, where it is not empty, saves reading the lengths of all bodies, of which each is in another line of the caches.
bool WriteCode(ByteSpan wire_bytes, WireReader& reader, const std::vector<uint32_t>& starts, Kept kept, ByteSpan stub,
               WireWriter& out) {
  uint32_t count = reader.Number();
  if (!reader.ok()) return true;
  std::vector<uint32_t> found;
  bool are_given = starts.size() == size_t{count} + 1;
  if (!are_given) found = BodyStarts(wire_bytes);
  const std::vector<uint32_t>& all = are_given ? starts : found;
  if (all.size() != size_t{count} + 1) return false;
  auto body = [&](uint32_t i) { return ByteSpan{wire_bytes.data + all[i], all[i + 1] - all[i]}; };
  uint32_t smallest = 0;
  if (kept.which == Kept::Smallest) {
    kept.count = 0;
    for (uint32_t i = 0; i < count; ++i) {
      ByteSpan bytes = body(i);
      bool is_stub = bytes.size == stub.size && std::memcmp(bytes.data, stub.data, stub.size) == 0;
      if (is_stub || (kept.count > 0 && bytes.size >= body(smallest).size)) continue;
      smallest = i;
      kept.count = 1;
    }
    kept.listed = &smallest;
  }
  out.Number(count);
  size_t k = 0;
  for (uint32_t i = 0; i < count; ++i) {
    bool is_kept = kept.which == Kept::All || (k < kept.count && kept.listed[k] == i);
    out.Bytes(is_kept ? body(i) : stub);
    k += is_kept;
  }
  reader.Bytes(all[count] - all[0]);
  return kept.which == Kept::All || k == kept.count;
}

// Every export under a name of a few digits: in some modules the names are a quarter of all bytes.
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

// Every data segment as a passive one without bytes: where it would have gone is no code's business either.
void WriteEmptyData(WireReader& reader, WireWriter& out) {
  constexpr uint8_t passive = 1;
  uint32_t count = reader.Number();
  out.Number(count);
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    reader.Byte();  // Each has at least one: where fewer are left than were announced, this ends the loop.
    out.Byte(passive);
    out.Byte(0);
  }
}

// withOnlyBodies(wireBytes: Uint8Array or WebAssembly.Module, kept: Uint32Array, ascending, or undefined for all, or null for
// the smallest, stub: Uint8Array, forCompiling: boolean, undefined or what startReading gave for this module) -> Buffer, see
// wasm-binary.ts. Natively: it is done once, at a program's exit, and code that runs once takes ten milliseconds and more for
// 16,000 functions.
napi_value WithOnlyBodies(napi_env env, napi_callback_info info) {
  constexpr char metadata[] = "metadata.code.";
  constexpr size_t metadata_length = sizeof metadata - 1;
  napi_value args[5];
  CompiledWasmModule owner;
  ByteSpan wire_bytes{};
  ByteSpan stub{};
  Kept kept;
  bool for_compiling = false;
  Reading* reading = nullptr;
  napi_valuetype kept_type;
  if (!Arguments(env, info, args) || !WireBytesOf(env, args[0], owner, wire_bytes) ||
      napi_typeof(env, args[1], &kept_type) != napi_ok || !BytesOf(env, args[2], stub) ||
      napi_get_value_bool(env, args[3], &for_compiling) != napi_ok) {
    return ThrowTypeError(env, "Expected a Uint8Array or a module, functions, a Uint8Array and a boolean");
  }
  if (kept_type == napi_undefined) {
    kept.which = Kept::All;
  } else if (kept_type == napi_null) {
    kept.which = Kept::Smallest;
  } else if (!ElementsOf(env, args[1], napi_uint32_array, kept.listed, kept.count)) {
    return ThrowTypeError(env, "Expected a Uint32Array of functions, undefined or null");
  }
  if (ExternalOf(env, args[4], reading)) reading->Join();
  const std::vector<uint32_t> none;
  const std::vector<uint32_t>& starts = reading ? reading->body_starts() : none;
  auto failure = [env](const char* what) -> napi_value {
    napi_throw_range_error(env, nullptr, what);
    return nullptr;
  };

  WireReader reader(wire_bytes);
  auto out = std::make_unique<WireWriter>(kept.which == Kept::All ? wire_bytes.size : wire_bytes.size / 8);
  ByteSpan header = reader.Bytes(sizeof kModuleHeader);
  if (!reader.ok() || std::memcmp(header.data, kModuleHeader, sizeof kModuleHeader) != 0) {
    return failure("Not a module of version 1");
  }
  out->Bytes(header);
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
      if (!WriteCode(wire_bytes, section, starts, kept, stub, rewritten)) {
        return failure("Not all functions to be kept have bodies");
      }
    } else if (id == kExportSection && for_compiling) {
      WriteExports(section, rewritten);
    } else if (id == kDataSection && for_compiling) {
      WriteEmptyData(section, rewritten);
      if (section.ok()) section = WireReader(contents, contents.size);
    } else {
      ByteSpan name = id == kCustomSection && for_compiling ? section.Bytes(section.Number()) : ByteSpan{nullptr, 0};
      bool is_metadata =
          name.size >= metadata_length && std::memcmp(name.data, metadata, metadata_length) == 0;
      if (id != kCustomSection || !for_compiling || is_metadata) {
        out->Bytes({wire_bytes.data + start, reader.at() - start});
      }
      continue;
    }
    if (!section.ok() || !section.is_at_end()) return failure("A section of the module is not as long as what it holds");
    out->Section(id, rewritten);
  }
  if (!reader.ok()) return failure("The module ends in the middle of a section");
  if (!has_code && kept.which == Kept::Listed && kept.count > 0) {
    return failure("Not all functions to be kept have bodies");
  }

  auto& bytes = out->bytes();
  auto release = [](napi_env, void*, void* hint) { delete static_cast<WireWriter*>(hint); };
  napi_value buffer = nullptr;
  if (napi_create_external_buffer(env, bytes.size(), bytes.data(), release, out.get(), &buffer) == napi_ok) {
    out.release();
    return buffer;
  }
  return CopyToBuffer(env, bytes.data(), bytes.size());
}

// readRecords(nativeCode: Uint8Array, at, declared, layout: Uint32Array of what native-code.ts calls firstLength,
// inliningLength and numbers) -> [starts of the records and the end of the last, optimised, executed, inlined: Uint32Arrays,
// bytes of machine code: number], or [offset, what is wrong there]. Every offset is checked before it is read.
napi_value ReadRecords(napi_env env, napi_callback_info info) {
  constexpr uint8_t lazy = 2, executed = 3, optimised = 4, turbofan = 2;
  constexpr uint32_t function_code = 0, machine_code_alignment = 32;
  napi_value args[4];
  ByteSpan bytes{};
  uint32_t start = 0;
  uint32_t declared = 0;
  const uint32_t* layout = nullptr;
  size_t layout_size = 0;
  if (!Arguments(env, info, args) || !BytesOf(env, args[0], bytes) ||
      napi_get_value_uint32(env, args[1], &start) != napi_ok ||
      napi_get_value_uint32(env, args[2], &declared) != napi_ok ||
      !ElementsOf(env, args[3], napi_uint32_array, layout, layout_size) || layout_size != 3) {
    return ThrowTypeError(env, "Expected a Uint8Array, two numbers and a Uint32Array of three");
  }
  const uint32_t first_length = layout[0], inlining_length = layout[1], numbers = layout[2];
  napi_value result = nullptr;
  auto failure = [&](uint64_t at, const char* what) {
    napi_value offset = nullptr;
    napi_value text = nullptr;
    napi_create_double(env, static_cast<double>(at), &offset);
    napi_create_string_utf8(env, what, NAPI_AUTO_LENGTH, &text);
    napi_create_array_with_length(env, 2, &result);
    napi_set_element(env, result, 0, offset);
    napi_set_element(env, result, 1, text);
    return result;
  };
  auto number_at = [&](uint64_t at) {
    uint32_t number;
    std::memcpy(&number, bytes.data + at, sizeof number);
    return number;
  };
  std::vector<uint32_t> lists[4];
  auto& [starts, optimised_ones, executed_ones, inlined_ones] = lists;
  uint64_t code_size = 0;
  uint64_t at = start;
  for (uint32_t i = 0; i < declared; ++i) {
    if (at >= bytes.size) return failure(at, "the records end too early");
    starts.push_back(static_cast<uint32_t>(at));
    uint8_t state = bytes.data[at++];
    if (state == executed) {
      executed_ones.push_back(i);
    } else if (state == optimised) {
      uint64_t lengths_at = at + 4 * uint64_t{first_length};
      uint64_t kind_at = at + 4 * uint64_t{numbers};
      uint64_t tier_at = kind_at + 4;
      if (tier_at >= bytes.size) return failure(at, "a record is cut off");
      uint32_t machine_code = number_at(lengths_at);
      if (machine_code == 0 || machine_code % machine_code_alignment != 0) {
        return failure(lengths_at, "not a length of machine code");
      }
      if (number_at(kind_at) != function_code || bytes.data[tier_at] != turbofan) {
        return failure(kind_at, "neither the kind nor the tier of a function that is optimised");
      }
      optimised_ones.push_back(i);
      if (number_at(at + 4 * uint64_t{inlining_length}) > 0) inlined_ones.push_back(i);
      code_size += machine_code;
      at = tier_at + 1;
      for (uint64_t length_at = lengths_at; length_at < kind_at; length_at += 4) at += number_at(length_at);
    } else if (state != lazy) {
      return failure(at - 1, "not the start of a record");
    }
  }
  if (at > bytes.size || at > UINT32_MAX) return failure(at, "the last record is cut off");
  starts.push_back(static_cast<uint32_t>(at));
  napi_value total = nullptr;
  napi_create_double(env, static_cast<double>(code_size), &total);
  napi_create_array_with_length(env, 5, &result);
  for (uint32_t i = 0; i < 4; ++i) napi_set_element(env, result, i, ToUint32Array(env, lists[i]));
  napi_set_element(env, result, 4, total);
  return result;
}

// ---- A process of its own for compiling ahead of time ----

bool StringsOf(napi_env env, napi_value array, std::vector<std::string>& out) {
  uint32_t length = 0;
  if (napi_get_array_length(env, array, &length) != napi_ok) return false;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value value = nullptr;
    std::string text;
    if (napi_get_element(env, array, i, &value) != napi_ok || !StringOf(env, value, text)) return false;
    out.push_back(std::move(text));
  }
  return true;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The end for reading of a pipe that is at its end when this process has ended; -1 when there can be no more pipes.
int UntilThisProcessEnds() {
  int ends[2];
#ifdef __linux__
  return pipe2(ends, O_CLOEXEC) == 0 ? ends[0] : -1;
#else
  if (pipe(ends) != 0) return -1;
  for (int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
  return ends[0];
#endif
}

// Returns 0 or an errno. `input` becomes descriptor 3, unless it is -1.
int Spawn(std::vector<std::string>& arguments, std::vector<std::string>& environment, int input, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  for (int descriptor = 0; descriptor < 3; ++descriptor) {
    posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0);
  }
  if (input >= 0) posix_spawn_file_actions_adddup2(&actions, input, 3);
  // A group of its own, so that Ctrl-C is not for it. Not a session of its own: Linux shares time among sessions first, and
  // priorities count within one only.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  int error = posix_spawn(pid, arguments[0].c_str(), &actions, &attributes, Pointers(arguments).data(),
                          Pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// spawnDetached(arguments: string[], environment: string[], waits: boolean) -> pid. The first argument is the program. It has no
// stdio, so that nobody waits for it; when it is to wait itself, its descriptor 3 is at the end when this process has ended.
// posix_spawn and not node:child_process, because this is called while a process exits: 1 ms instead of
// 7, and instead of 30 in a process of 500 MB, whose page tables fork copies.
napi_value SpawnDetached(napi_env env, napi_callback_info info) {
  napi_value args[3];
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  bool waits = false;
  if (!Arguments(env, info, args) || !StringsOf(env, args[0], arguments) || !StringsOf(env, args[1], environment) ||
      napi_get_value_bool(env, args[2], &waits) != napi_ok || arguments.empty()) {
    return ThrowTypeError(env, "Expected two arrays of strings, arguments and environment, and a boolean");
  }
  static const int until_end = UntilThisProcessEnds();
  pid_t pid = 0;
  int error = Spawn(arguments, environment, waits ? until_end : -1, &pid);
  if (error != 0) {
    napi_throw_error(env, nullptr, std::strerror(error));
    return nullptr;
  }
  // Or it would stay a zombie for as long as a server runs.
  auto wait = [](void* data) -> void* {
    waitpid(static_cast<pid_t>(reinterpret_cast<intptr_t>(data)), nullptr, 0);
    return nullptr;
  };
  StartDetachedThread(wait, reinterpret_cast<void*>(static_cast<intptr_t>(pid)));
  napi_value value = nullptr;
  napi_create_int32(env, pid, &value);
  return value;
}

// The lowest priority there is, for every thread: on Linux a priority is a thread's, and V8's were started long ago.
void YieldToOthers() {
  constexpr int lowest = 19;
#ifdef __linux__
  DIR* threads = opendir("/proc/self/task");
  if (threads) {
    while (dirent* thread = readdir(threads)) {
      if (int id = std::atoi(thread->d_name)) setpriority(PRIO_PROCESS, static_cast<id_t>(id), lowest);
    }
    closedir(threads);
  }
#endif
  setpriority(PRIO_PROCESS, 0, lowest);
}

// yieldAfter(milliseconds): all other processes come first once this one has used so much time of all processors together
napi_value YieldAfter(napi_env env, napi_callback_info info) {
  napi_value args[1];
  uint32_t milliseconds = 0;
  if (!Arguments(env, info, args) || napi_get_value_uint32(env, args[0], &milliseconds) != napi_ok) {
    return ThrowTypeError(env, "Expected a number of milliseconds");
  }
  auto watch = [](void* data) -> void* {
    constexpr timespec interval{0, 100'000'000};
    for (timespec used{};; nanosleep(&interval, nullptr)) {
      if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0) break;
      if (used.tv_sec * 1000 + used.tv_nsec / 1'000'000 >= reinterpret_cast<intptr_t>(data)) break;
    }
    YieldToOthers();
    return nullptr;
  };
  if (!StartDetachedThread(watch, reinterpret_cast<void*>(static_cast<intptr_t>(milliseconds)))) YieldToOthers();
  return Undefined(env);
}

// endAfter(seconds): ends this process then, also in the middle of a synchronous compilation
napi_value EndAfter(napi_env env, napi_callback_info info) {
  napi_value args[1];
  uint32_t seconds = 0;
  if (!Arguments(env, info, args) || napi_get_value_uint32(env, args[0], &seconds) != napi_ok) {
    return ThrowTypeError(env, "Expected a number of seconds");
  }
  alarm(seconds);
  return Undefined(env);
}

// V8 falls back to code without guard pages, silently, when the address space is limited.
bool AddressSpaceIsLimited() {
  rlimit limit;
  return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

// guardBytesBehind(ArrayBuffer) -> number of bytes directly behind it that nobody may touch; 0 where that cannot be told
napi_value GuardBytesBehind(napi_env env, napi_callback_info info) {
  napi_value args[1];
  void* data = nullptr;
  size_t length = 0;
  if (!Arguments(env, info, args) || napi_get_arraybuffer_info(env, args[0], &data, &length) != napi_ok) {
    return ThrowTypeError(env, "Expected an ArrayBuffer");
  }
  uintptr_t end = reinterpret_cast<uintptr_t>(data) + length;
  double found = 0;
#ifdef __linux__
  if (FILE* maps = fopen("/proc/self/maps", "re")) {
    char line[512];
    while (fgets(line, sizeof line, maps)) {
      unsigned long long from = 0;
      unsigned long long to = 0;
      char rights[5] = "";
      if (sscanf(line, "%llx-%llx %4s", &from, &to, rights) != 3 || to <= end) continue;
      if (from == end && std::strcmp(rights, "---p") == 0) found = static_cast<double>(to - from);
      break;
    }
    fclose(maps);
  }
#endif
  napi_value value = nullptr;
  napi_create_double(env, found, &value);
  return value;
}

bool CanSerialize() { return V8().can_serialize(); }
bool CanDeserialize() { return V8().can_deserialize(); }

// Node unloads an addon when the last thread that loaded it ends, if that is a worker: with it would go the shared modules, and
// the code that a reading thread is just running.
void StayLoaded() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&StayLoaded), &self) != 0) dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

void ThreadStarts(napi_env env) { SharedModules::ThreadStarts(env); }

#else

void StayLoaded() {}
void ThreadStarts(napi_env) {}

bool AddressSpaceIsLimited() { return false; }
bool CanSerialize() { return false; }
bool CanDeserialize() { return false; }

napi_value Unsupported(napi_env env, napi_callback_info) {
  napi_throw_error(env, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "Not supported on this platform");
  return nullptr;
}
constexpr napi_callback Serialize = Unsupported, WireBytes = Unsupported, HasWireBytes = Unsupported,
                        Clone = Unsupported, Deserialize = Unsupported, VersionTag = Unsupported,
                        SetFlags = Unsupported, ChangeFlags = Unsupported, WithSteadyFlags = Unsupported,
                        JoinUnpacking = Unsupported, SpawnDetached = Unsupported, EndAfter = Unsupported, YieldAfter = Unsupported,
                        Receive = Unsupported, Finish = Unsupported, Abort = Unsupported,
                        WithOnlyBodies = Unsupported, ReadRecords = Unsupported,
                        StartReading = Unsupported, JoinReading = Unsupported,
                        GuardBytesBehind = Unsupported, OpenShared = Unsupported, SaveShared = Unsupported, FindShared = Unsupported,
                        LoadShared = Unsupported;

// As where Node's binary does not have them: node:crypto and node:zlib do it then.
napi_value Absent(napi_env env, napi_callback_info) { return Undefined(env); }
constexpr napi_callback Sha256 = Absent, Crc32 = Absent, HmacSha256 = Absent, StartUnpacking = Absent;

#endif

void Export(napi_env env, napi_value exports, const char* name, napi_value value) {
  napi_set_named_property(env, exports, name, value);
}

void ExportFunction(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  Export(env, exports, name, function);
}

napi_value Init(napi_env env, napi_value exports) {
  StayLoaded();
  ThreadStarts(env);
  Export(env, exports, "canSerialize", Boolean(env, CanSerialize()));
  Export(env, exports, "canDeserialize", Boolean(env, CanDeserialize()));
  Export(env, exports, "addressSpaceIsLimited", Boolean(env, AddressSpaceIsLimited()));
  ExportFunction(env, exports, "guardBytesBehind", GuardBytesBehind);
  ExportFunction(env, exports, "serialize", Serialize);
  ExportFunction(env, exports, "deserialize", Deserialize);
  ExportFunction(env, exports, "receive", Receive);
  ExportFunction(env, exports, "finish", Finish);
  ExportFunction(env, exports, "abort", Abort);
  ExportFunction(env, exports, "wireBytes", WireBytes);
  ExportFunction(env, exports, "hasWireBytes", HasWireBytes);
  ExportFunction(env, exports, "clone", Clone);
  ExportFunction(env, exports, "openShared", OpenShared);
  ExportFunction(env, exports, "saveShared", SaveShared);
  ExportFunction(env, exports, "findShared", FindShared);
  ExportFunction(env, exports, "loadShared", LoadShared);
  ExportFunction(env, exports, "versionTag", VersionTag);
  ExportFunction(env, exports, "setFlags", SetFlags);
  ExportFunction(env, exports, "changeFlags", ChangeFlags);
  ExportFunction(env, exports, "withSteadyFlags", WithSteadyFlags);
  ExportFunction(env, exports, "sha256", Sha256);
  ExportFunction(env, exports, "crc32", Crc32);
  ExportFunction(env, exports, "hmacSha256", HmacSha256);
  ExportFunction(env, exports, "startUnpacking", StartUnpacking);
  ExportFunction(env, exports, "joinUnpacking", JoinUnpacking);
  ExportFunction(env, exports, "openLink", OpenLink);
  ExportFunction(env, exports, "sendOnLink", SendOnLink);
  ExportFunction(env, exports, "readLink", ReadLink);
  ExportFunction(env, exports, "closeLink", CloseLink);
  ExportFunction(env, exports, "spawnDetached", SpawnDetached);
  ExportFunction(env, exports, "withOnlyBodies", WithOnlyBodies);
  ExportFunction(env, exports, "readRecords", ReadRecords);
  ExportFunction(env, exports, "startReading", StartReading);
  ExportFunction(env, exports, "joinReading", JoinReading);
  ExportFunction(env, exports, "endAfter", EndAfter);
  ExportFunction(env, exports, "yieldAfter", YieldAfter);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
