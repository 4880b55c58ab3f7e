#include "helper-isolate.h"

#include "node-api.h"

namespace {

// v8::internal::Internals::kIsolateHandleScopeDataOffset in the headers of Node 24 and 26. IsAvailable checks it.
constexpr size_t kHandleScopeDataOffset = 560;

constexpr int kRunDefault = 0;  // UV_RUN_DEFAULT

}  // namespace

HelperIsolate::HandleScopeData* HelperIsolate::DataOf(Isolate* isolate) {
  return reinterpret_cast<HandleScopeData*>(reinterpret_cast<char*>(isolate) + kHandleScopeDataOffset);
}

bool HelperIsolate::IsAvailable(napi_env env) {
  const V8Functions& v8 = V8();
  if (!v8.can_use_isolates() || !Node().can_open_isolate() || !CurrentEnvironment()) return false;
  if (v8.handle_scope_construct && v8.handle_scope_destruct) return true;
  if (!v8.handle_scope_delete_extensions) return false;
  // The newest handle is the slot before the next one, if the data is where it should be.
  napi_value handle = nullptr;
  if (napi_create_object(env, &handle) != napi_ok) return false;
  const HandleScopeData* data = DataOf(v8.isolate_get_current());
  return data->next == reinterpret_cast<void**>(handle) + 1 && data->limit >= data->next && data->level > 0;
}

HelperIsolate::HelperIsolate(Platform* platform)
    : platform_(platform), loop_(new char[Node().loop_size()]()), allocator_(Node().create_allocator()) {
  auto* loop = reinterpret_cast<Loop*>(loop_.get());
  if (!allocator_ || Node().loop_init(loop) != 0) return;
  isolate_ = Node().new_isolate(allocator_, loop, platform_, nullptr, IsolateSettings());
  if (!isolate_) return;
  const V8Functions& v8 = V8();
  v8.locker_initialize(locker_, isolate_);
  v8.isolate_enter(isolate_);
  OpenHandleScope();
  context_ = v8.context_new(isolate_, nullptr, nullptr, nullptr, {}, nullptr, {}, {});
  if (context_) v8.context_enter(context_);
}

HelperIsolate::~HelperIsolate() {
  auto* loop = reinterpret_cast<Loop*>(loop_.get());
  if (isolate_) {
    const V8Functions& v8 = V8();
    if (context_) v8.context_exit(context_);
    CloseHandleScope();
    v8.isolate_exit(isolate_);
    v8.locker_destruct(locker_);
    if (Node().dispose_isolate) {
      Node().dispose_isolate(platform_, isolate_);
    } else {
      v8.isolate_dispose(isolate_);
      Node().unregister_isolate(platform_, isolate_);
    }
    Node().loop_run(loop, kRunDefault);  // closes the handles of Node's platform
    Node().loop_close(loop);
  }
  if (allocator_) Node().free_allocator(allocator_);
}

bool HelperIsolate::Hold(const CompiledWasmModule& compiled) {
  return context_ && V8().from_compiled_module(isolate_, compiled);
}

bool HelperIsolate::Restore(Restoring& restoring, ByteSpan native_code, CompiledWasmModule& out) {
  if (!context_ || !V8().allow_wasm) return false;
  // Otherwise V8 asks Node, which looks for an environment in the context.
  V8().allow_wasm(isolate_, [](void**, void**) { return true; });
  return restoring.FinishIn(isolate_, native_code, out);
}

void** HelperIsolate::Compile(const char* script) {
  constexpr int normal_string = 0;
  if (!context_) return nullptr;
  void** source = V8().string_new(isolate_, script, normal_string, -1);
  return source ? V8().script_compile(context_, source, nullptr) : nullptr;
}

bool HelperIsolate::Run(void** script) { return script && V8().script_run(script, context_); }

void HelperIsolate::OpenHandleScope() {
  if (V8().handle_scope_construct) {
    V8().handle_scope_construct(handle_scope_, isolate_);
    return;
  }
  HandleScopeData* data = DataOf(isolate_);
  before_ = *data;
  ++data->level;
}

void HelperIsolate::CloseHandleScope() {
  if (V8().handle_scope_destruct) {
    V8().handle_scope_destruct(handle_scope_);
    return;
  }
  HandleScopeData* data = DataOf(isolate_);
  data->next = before_.next;
  --data->level;
  if (data->limit == before_.limit) return;
  data->limit = before_.limit;
  void* scope[] = {isolate_, before_.next, before_.limit};
  V8().handle_scope_delete_extensions(scope, isolate_);
}
