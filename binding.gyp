{
  "targets": [
    {
      "target_name": "wasm_module_cache",
      "sources": ["native/addon.cc", "native/link.cc"],
      "defines": ["NAPI_VERSION=8"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17"],
      "xcode_settings": { "CLANG_CXX_LANGUAGE_STANDARD": "c++17" },
      "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["/std:c++17"] } },
      "conditions": [["OS=='linux'", { "libraries": ["-ldl", "-pthread"] }]]
    }
  ]
}
