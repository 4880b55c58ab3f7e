{
  "targets": [
    {
      "target_name": "wasm_module_cache",
      "sources": ["native/addon.cc"],
      "defines": ["NAPI_VERSION=8"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17"],
      "xcode_settings": { "CLANG_CXX_LANGUAGE_STANDARD": "c++17" },
      "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["/std:c++17"] } },
      "conditions": [
        [
          "OS!='win'",
          {
            "sources": [
              "native/address-space.cc",
              "native/artifact-file.cc",
              "native/background.cc",
              "native/cutting.cc",
              "native/deserializing.cc",
              "native/digests.cc",
              "native/flags.cc",
              "native/helper-isolate.cc",
              "native/load-guard.cc",
              "native/module-analysis.cc",
              "native/modules.cc",
              "native/node-functions.cc",
              "native/preload-files.cc",
              "native/preload.cc",
              "native/priority.cc",
              "native/process-settings.cc",
              "native/processes.cc",
              "native/records.cc",
              "native/restoring.cc",
              "native/retiering.cc",
              "native/shared-modules.cc",
              "native/threads-of-node.cc",
              "native/trusted-files.cc",
              "native/unsaved-modules.cc",
              "native/v8.cc",
              "native/wire-bytes.cc"
            ]
          }
        ],
        ["OS=='linux'", { "libraries": ["-ldl", "-pthread"] }]
      ]
    }
  ]
}
