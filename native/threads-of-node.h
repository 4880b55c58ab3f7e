// The threads of JavaScript that have loaded this addon.
#pragma once

#include <node_api.h>

// To be called for each of them, once.
void ThreadStarts(napi_env env);

// Calls back when the last of them ends. The main thread ends after all others. Whatever holds native code lets go of
// it here, because V8 waits at the end of the process until every module is gone, if need be for ever.
void AtEndOfLastThread(void (*callback)());

// Calls back before Node tears V8 down, whether the program ends by itself, by process.exit() or by
// process.reallyExit(). A thread that uses V8 must be joined here, or it crashes the process. May call back twice.
void AtEndOfProcess(void (*callback)());
