#include "v8.h"

#include "node-api.h"
#include "symbols.h"

const V8Functions& V8() {
  static const V8Functions functions = [] {
    V8Functions v8{};
    // v8::ArrayBuffer::New(Isolate*, std::shared_ptr<BackingStore>). A Node with another C++ library does not have it
    // under this name, and its strings and pointers are laid out in another way.
#ifdef _LIBCPP_VERSION
    Resolve(v8.standard_library, "_ZN2v811ArrayBuffer3NewEPNS_7IsolateENSt3__110shared_ptrINS_12BackingStoreEEE");
#else
    Resolve(v8.standard_library, "_ZN2v811ArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE");
#endif
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
    Resolve(v8.compilation_set_has_compiled_module_bytes, "_ZN2v821WasmModuleCompilation25SetHasCompiledModuleBytesEv");
    Resolve(v8.compilation_on_bytes_received, "_ZN2v821WasmModuleCompilation15OnBytesReceivedEPKhm");
    Resolve(v8.compilation_finish,
            "_ZN2v821WasmModuleCompilation6FinishEPNS_7IsolateERKSt8functionIFvRNS_13WasmStreaming"
            "22ModuleCachingInterfaceEEERKS3_IFvSt7variantIJNS_5LocalINS_16WasmModuleObjectEEENSC_INS_5ValueEEEEEEE");
    Resolve(v8.compilation_abort, "_ZN2v821WasmModuleCompilation5AbortEv");
    Resolve(v8.get_current_context, "_ZN2v87Isolate17GetCurrentContextEv");
    Resolve(v8.allow_wasm,
            "_ZN2v87Isolate34SetAllowWasmCodeGenerationCallbackEPFbNS_5LocalINS_7ContextEEENS1_INS_6StringEEEE");
    Resolve(v8.isolate_enter, "_ZN2v87Isolate5EnterEv");
    Resolve(v8.isolate_exit, "_ZN2v87Isolate4ExitEv");
    Resolve(v8.isolate_dispose, "_ZN2v87Isolate7DisposeEv");
    Resolve(v8.locker_initialize, "_ZN2v86Locker10InitializeEPNS_7IsolateE");
    Resolve(v8.locker_destruct, "_ZN2v86LockerD1Ev");
    Resolve(v8.handle_scope_construct, "_ZN2v811HandleScopeC1EPNS_7IsolateE");
    Resolve(v8.handle_scope_destruct, "_ZN2v811HandleScopeD1Ev");
    Resolve(v8.handle_scope_delete_extensions, "_ZN2v811HandleScope16DeleteExtensionsEPNS_7IsolateE");
    // The longer, the newer.
    for (const char* more : {"ENS_30DeserializeContextDataCallbackENS_29DeserializeAPIWrapperCallbackE",
                             "ENS_30DeserializeContextDataCallbackE", "E"}) {
      if (v8.context_new) break;
      std::string name =
          "_ZN2v87Context3NewEPNS_7IsolateEPNS_22ExtensionConfigurationENS_10MaybeLocalINS_14ObjectTemplateEEE"
          "NS5_INS_5ValueEEENS_33DeserializeInternalFieldsCallbackEPNS_14MicrotaskQueue";
      Resolve(v8.context_new, (name + more).c_str());
    }
    Resolve(v8.context_enter, "_ZN2v87Context5EnterEv");
    Resolve(v8.context_exit, "_ZN2v87Context4ExitEv");
    Resolve(v8.string_new, "_ZN2v86String11NewFromUtf8EPNS_7IsolateEPKcNS_13NewStringTypeEi");
    Resolve(v8.script_compile, "_ZN2v86Script7CompileENS_5LocalINS_7ContextEEENS1_INS_6StringEEEPNS_12ScriptOriginE");
    Resolve(v8.script_run, "_ZN2v86Script3RunENS_5LocalINS_7ContextEEE");
    Resolve(v8.enter_debugging, "_ZN2v85debug24EnterDebuggingForIsolateEPNS_7IsolateE");
    Resolve(v8.leave_debugging, "_ZN2v85debug24LeaveDebuggingForIsolateEPNS_7IsolateE");
    return v8;
  }();
  return functions;
}

bool IsModule(napi_value value) {
  return value && V8().can_serialize() && V8().is_wasm_module_object(reinterpret_cast<void*>(value));
}

CompiledWasmModule CompiledModuleOf(napi_value module) {
  return V8().get_compiled_module(reinterpret_cast<void*>(module));
}

napi_value ToModule(napi_env env, const CompiledWasmModule& compiled) {
  void** slot = V8().from_compiled_module(V8().isolate_get_current(), compiled);
  return slot ? reinterpret_cast<napi_value>(slot) : Undefined(env);
}
