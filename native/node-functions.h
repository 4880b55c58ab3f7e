// The part of Node's C++ API (node.h) that Node-API lacks: isolates of one's own, and a call before the process ends.
// Declared by layout and looked up by name, as in v8.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "v8.h"

struct ArrayBufferAllocator;
struct Environment;
struct Loop;      // uv_loop_t
struct Platform;  // node::MultiIsolatePlatform, which is a node::NodePlatform in the official binaries

// node::IsolateSettings. Later versions of Node have more members, for which zero is the default: so many zeros follow.
struct IsolateSettings {
  uint64_t flags = 0;         // no listener for messages: it would look for an environment, and there is none
  int microtasks_policy = 0;  // explicit
  const char others[256] = {};
};

struct NodeFunctions {
  Environment* (*current_environment)(void** context);
  void (*at_exit)(Environment*, void (*callback)(void*), void* argument);
  Platform* (*platform_of)(Environment*);

  ArrayBufferAllocator* (*create_allocator)();
  void (*free_allocator)(ArrayBufferAllocator*);
  Isolate* (*new_isolate)(ArrayBufferAllocator*, Loop*, Platform*, const void* snapshot, const IsolateSettings&);
  void (*dispose_isolate)(Platform*, Isolate*);     // Node 24 and later
  void (*unregister_isolate)(Platform*, Isolate*);  // before: after V8's own Dispose

  size_t (*loop_size)();
  int (*loop_init)(Loop*);
  int (*loop_run)(Loop*, int mode);
  int (*loop_close)(Loop*);

  bool can_open_isolate() const {
    return current_environment && platform_of && create_allocator && free_allocator && new_isolate &&
           (dispose_isolate || unregister_isolate) && loop_size && loop_init && loop_run && loop_close && at_exit;
  }
};

const NodeFunctions& Node();

// Of the thread of JavaScript that calls. Null where it cannot be had.
Environment* CurrentEnvironment();
