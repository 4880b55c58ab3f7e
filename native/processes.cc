// Starts processes that outlive this one, and ends this one.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "node-api.h"
#include "subjects.h"
#include "thread.h"

namespace {

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The reading end of a pipe that closes when this process has ended. -1 when there can be no more pipes.
int UntilThisProcessEnds() {
  int ends[2];
#ifdef __linux__
  return pipe2(ends, O_CLOEXEC) == 0 ? ends[0] : -1;
#else
  if (pipe(ends) != 0) return -1;
  for (int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
  return ends[0];
#endif
}

// Returns 0 or an errno. `input` becomes descriptor 3, unless it is -1.
int Spawn(std::vector<std::string>& arguments, std::vector<std::string>& environment, int input, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  for (int descriptor = 0; descriptor < 3; ++descriptor) {
    posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0);
  }
  if (input >= 0) posix_spawn_file_actions_adddup2(&actions, input, 3);
  // A group of its own, so that Ctrl-C does not end it. Not a session of its own: Linux shares time among sessions
  // first, and priorities count only within one.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  int error = posix_spawn(pid, arguments[0].c_str(), &actions, &attributes, Pointers(arguments).data(),
                          Pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// spawnDetached(arguments: string[], environment: string[], waits: boolean) -> pid. The first argument is the program.
// It has no stdio, so that nobody waits for it. With `waits`, its descriptor 3 reaches its end when this process has
// ended. It uses posix_spawn and not node:child_process, because a process calls this while it exits: 1 ms instead of
// 7, and instead of 30 in a process of 500 MB, whose page tables fork copies.
napi_value SpawnDetached(napi_env env, napi_callback_info info) {
  napi_value args[3];
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  bool waits = false;
  if (!Arguments(env, info, args) || !StringsOf(env, args[0], arguments) || !StringsOf(env, args[1], environment) ||
      !BooleanOf(env, args[2], waits) || arguments.empty()) {
    return ThrowTypeError(env, "Expected two arrays of strings, arguments and environment, and a boolean");
  }
  static const int until_end = UntilThisProcessEnds();
  pid_t pid = 0;
  int error = Spawn(arguments, environment, waits ? until_end : -1, &pid);
  if (error != 0) {
    napi_throw_error(env, nullptr, std::strerror(error));
    return nullptr;
  }
  // Otherwise it would stay a zombie for as long as a server runs.
  auto wait = [](void* data) -> void* {
    waitpid(static_cast<pid_t>(reinterpret_cast<intptr_t>(data)), nullptr, 0);
    return nullptr;
  };
  Thread::StartDetached(wait, reinterpret_cast<void*>(static_cast<intptr_t>(pid)));
  napi_value value = nullptr;
  napi_create_int32(env, pid, &value);
  return value;
}

// endAfter(seconds): ends this process then, also in the middle of a synchronous compilation
napi_value EndAfter(napi_env env, napi_callback_info info) {
  napi_value args[1];
  uint32_t seconds = 0;
  if (!Arguments(env, info, args) || !Uint32Of(env, args[0], seconds)) {
    return ThrowTypeError(env, "Expected a number of seconds");
  }
  alarm(seconds);
  return Undefined(env);
}

}  // namespace

void ExportProcesses(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "spawnDetached", SpawnDetached);
  ExportFunction(env, exports, "endAfter", EndAfter);
}
