// What each file of the addon exports to JavaScript. src/native/addon.ts has the types.
#pragma once

#include <node_api.h>

void ExportAddressSpace(napi_env env, napi_value exports);
void ExportAnalysis(napi_env env, napi_value exports);
void ExportArtifactFile(napi_env env, napi_value exports);
void ExportBackground(napi_env env, napi_value exports);
void ExportCutting(napi_env env, napi_value exports);
void ExportDeserializing(napi_env env, napi_value exports);
void ExportDigests(napi_env env, napi_value exports);
void ExportFlags(napi_env env, napi_value exports);
void ExportLoadGuard(napi_env env, napi_value exports);
void ExportModules(napi_env env, napi_value exports);
void ExportPreload(napi_env env, napi_value exports);
void ExportPriority(napi_env env, napi_value exports);
void ExportProcesses(napi_env env, napi_value exports);
void ExportProcessSettings(napi_env env, napi_value exports);
void ExportRecords(napi_env env, napi_value exports);
void ExportRetiering(napi_env env, napi_value exports);
void ExportSharedModules(napi_env env, napi_value exports);
void ExportTrustedFiles(napi_env env, napi_value exports);
void ExportUnsavedModules(napi_env env, napi_value exports);
