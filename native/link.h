// A TCP connection whose bytes come in a thread of its own, so that JavaScript can wait for them without an event loop.
#pragma once

#include <node_api.h>

// openLink(host: string, port: number, bytes: Uint8Array) -> a link, on which the bytes are sent as soon as there is a connection
napi_value OpenLink(napi_env env, napi_callback_info info);

// sendOnLink(link, bytes: Uint8Array)
napi_value SendOnLink(napi_env env, napi_callback_info info);

// readLink(link, milliseconds: number) -> a Buffer with what has come; undefined when nothing has within that time; null at the
// end, or a string that says why there is one
napi_value ReadLink(napi_env env, napi_callback_info info);

// closeLink(link)
napi_value CloseLink(napi_env env, napi_callback_info info);
