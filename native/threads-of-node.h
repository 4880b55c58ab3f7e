// The threads of JavaScript that have loaded this addon.
#pragma once

#include <node_api.h>

// To be called for each of them, once.
void ThreadStarts(napi_env env);

// Calls back when the last of them ends; where the main thread is one of them, all others have ended by then. Whatever
// holds native code lets go of it here: at the end of the process V8 waits until every module is gone, for ever.
void AtEndOfLastThread(void (*callback)());
