// The part of V8's C++ API that reaches native code of WebAssembly.
//
// Node exports V8's C++ API from its binary, but Node-API has no call for this part. A napi_value is a handle slot,
// which is all that v8::Local is. So the few classes that are needed are declared here by their layout (v8-wasm.h,
// v8-memory-span.h), and their functions are looked up by name. One binary serves every version of Node. A function
// that is missing or has other arguments is a null pointer here, and "not supported" for the caller.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <variant>

#include "byte-span.h"

// Objects of the C++ library cross the boundary to V8. With another library than Node's, V8 writes behind them.
#if defined(__linux__) && !defined(__GLIBCXX__)
#error "Node for Linux is built with libstdc++: build the addon with its headers, not with those of libc++"
#elif defined(__APPLE__) && !defined(_LIBCPP_VERSION)
#error "Node for macOS is built with libc++: build the addon with its headers"
#endif

// Their names differ from V8's, so that no symbols collide.

struct Isolate;

struct CompiledWasmModule {
  std::shared_ptr<void> native_module;
  std::string source_url;
};

struct OwnedBuffer {
  std::unique_ptr<const uint8_t[]> bytes;
  size_t size = 0;
};

// v8::Local<T>: one pointer to a handle slot. The tag keeps the two alternatives of std::variant apart.
template <int tag>
struct Local {
  void** slot;
};

// V8 implements it. It is called by hand, through its table of virtual functions: a compiler that sees an interface
// without any implementation may call "pure virtual" instead (GCC 12 does).
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

// v8::DeserializeInternalFieldsCallback and its like: a function and its data, which nobody needs here.
struct NoCallback {
  void* function = nullptr;
  void* data = nullptr;
};

// The compiler checks these assumptions about layouts and calling conventions. v8.cc checks the rest at load.
static_assert(sizeof(void*) == 8 && sizeof(size_t) == sizeof(unsigned long), "the mangled names are those of 64 bits");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "V8 writes native code in the machine's byte order");
static_assert(sizeof(napi_value) == sizeof(Local<0>) && sizeof(Local<0>) == sizeof(void*), "a handle is one slot");
static_assert(std::is_trivially_copyable_v<Local<0>>, "V8 passes handles in registers");
static_assert(std::is_trivially_copyable_v<ByteSpan> && std::is_standard_layout_v<ByteSpan>, "returned in registers");
static_assert(offsetof(ByteSpan, data) == 0 && offsetof(ByteSpan, size) == 8 && sizeof(ByteSpan) == 16, "MemorySpan");
static_assert(!std::is_trivially_copyable_v<OwnedBuffer>, "returned through a hidden pointer");
static_assert(sizeof(OwnedBuffer) == 16, "v8::OwnedBuffer: a pointer, then the size");
static_assert(!std::is_trivially_copyable_v<CompiledWasmModule>, "returned through a hidden pointer");
static_assert(sizeof(CompiledWasmModule) == 16 + sizeof(std::string), "v8::CompiledWasmModule: two pointers, a string");
#ifdef __linux__
static_assert(sizeof(CompiledWasmModule) == 48, "v8::CompiledWasmModule with the strings of libstdc++");
#endif
static_assert(sizeof(WasmModuleCompilation) == sizeof(void*), "v8::WasmModuleCompilation: a pointer to its own data");
static_assert(sizeof(std::variant<Local<0>, Local<1>>) == 16, "a slot, then which one");
#ifdef _GLIBCXX_USE_CXX11_ABI
static_assert(_GLIBCXX_USE_CXX11_ABI == 1, "Node's strings are those of C++11");
#endif

// `this` of a member function is an ordinary first argument in the ABIs that are supported.
struct V8Functions {
  void* standard_library;  // any function with a class of the C++ library in its name

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

  void** (*get_current_context)(Isolate*);
  void (*allow_wasm)(Isolate*, bool (*callback)(void** context, void** source));
  void (*isolate_enter)(Isolate*);
  void (*isolate_exit)(Isolate*);
  void (*isolate_dispose)(Isolate*);
  void (*locker_initialize)(void* locker, Isolate*);
  void (*locker_destruct)(void* locker);
  void (*handle_scope_construct)(void* scope, Isolate*);  // up to Node 24
  void (*handle_scope_destruct)(void* scope);
  void (*handle_scope_delete_extensions)(void* scope, Isolate*);  // from Node 26 on
  // Empty handles are null pointers. Versions before Node 24 take fewer of them.
  void** (*context_new)(Isolate*, void* extensions, void** global_template, void** global, NoCallback, void* microtasks,
                        NoCallback, NoCallback);
  void (*context_enter)(void** context);
  void (*context_exit)(void** context);
  void** (*string_new)(Isolate*, const char*, int type, int length);
  void** (*script_compile)(void** context, void** source, void* origin);
  void** (*script_run)(void** script, void** context);
  void (*enter_debugging)(Isolate*);  // Node 20 and 22
  void (*leave_debugging)(Isolate*);

  bool can_use_isolates() const {
    return get_current_context && isolate_enter && isolate_exit && isolate_dispose && locker_initialize &&
           locker_destruct && context_new && context_enter && context_exit;
  }
  bool can_run_scripts() const { return string_new && script_compile && script_run; }

  bool can_serialize() const {
    return standard_library && isolate_get_current && is_wasm_module_object && get_compiled_module &&
           from_compiled_module && serialize && get_wire_bytes_ref && cached_data_version_tag && set_flags_from_string;
  }
  bool can_deserialize() const {
    return can_serialize() && compilation_construct && compilation_destruct &&
           compilation_set_has_compiled_module_bytes && compilation_on_bytes_received && compilation_finish &&
           compilation_abort;
  }
};

const V8Functions& V8();

// Casting anything but a WebAssembly.Module crashes V8, so every function that takes one asks this first.
bool IsModule(napi_value value);

CompiledWasmModule CompiledModuleOf(napi_value module);

// A new WebAssembly.Module of this thread over that native code, or undefined.
napi_value ToModule(napi_env env, const CompiledWasmModule& compiled);
