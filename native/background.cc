// Starts processes that outlive this one and take nothing of it along.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <mutex>

#ifdef __linux__
#include <sys/syscall.h>
#endif

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

// The reading end of a pipe that is at its end when this process has ended. -1 when there can be no more pipes.
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

// What the new process needs to know. The processes share this memory until the new one has its own program.
struct Start {
  char* const* arguments;
  char* const* environment;
  // Descriptors of this process that become 3 and 4, or -1.
  int input;
  int lock;
  pid_t pid = 0;
  int error = 0;
};

constexpr int kLastDescriptor = INT_MAX;
// For an older kernel, which closes descriptors one by one.
constexpr int kLastOfMost = 65'535;

void Close(int first, int last) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, last, 0) == 0) return;
#endif
  for (int descriptor = first; descriptor <= last && descriptor <= kLastOfMost; ++descriptor) close(descriptor);
}

// Runs in the new process: only calls to the system, no memory is allocated.
int BecomeProgram(void* data) {
  Start& start = *static_cast<Start*>(data);
  // A handler of the other process must not run here.
  struct sigaction fallback{};
  fallback.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action{};
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) sigaction(signal, &fallback, nullptr);
  }
  // A group of its own, so that Ctrl-C does not end it. Not a session of its own: Linux shares time among sessions
  // first, and priorities count only within one.
  setpgid(0, 0);
  // Otherwise its file system could not be unmounted.
  if (chdir("/") != 0) _exit(127);
  // First to numbers above those that are overwritten.
  constexpr int above = 10;
  const int null = fcntl(open("/dev/null", O_RDWR), F_DUPFD, above);
  const int input = start.input < 0 ? -1 : fcntl(start.input, F_DUPFD, above);
  const int lock = start.lock < 0 ? -1 : fcntl(start.lock, F_DUPFD, above);
  for (int descriptor = 0; descriptor < 3; ++descriptor) dup2(null, descriptor);
  Close(3, above - 1);
  if (input >= 0) dup2(input, 3);
  if (lock >= 0) dup2(lock, 4);
  Close(5, kLastDescriptor);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(start.arguments[0], start.arguments, start.environment);
  start.error = errno;
  _exit(127);
}

#ifdef __linux__

constexpr size_t kStackSize = 64 * 1024;

// As posix_spawn does it: the new process runs in this memory, and this thread waits until it has its own program. fork
// would copy the page tables, which takes 30 ms in a process of 500 MB.
pid_t StartSharing(int (*run)(void*), char* stack, int exit_signal, void* data) {
  return clone(run, stack + kStackSize, CLONE_VM | CLONE_VFORK | exit_signal, data);
}

alignas(16) char process_stack[kStackSize];
alignas(16) char intermediate_stack[kStackSize];

// The new process is a child of this one, which ends at once: nobody has to wait for it then but process 1.
int StartProgram(void* data) {
  Start& start = *static_cast<Start*>(data);
  start.pid = StartSharing(BecomeProgram, process_stack, SIGCHLD, data);
  if (start.pid < 0) start.error = errno;
  _exit(0);
}

void Run(Start& start) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  // A handler of this process must not run in the new ones.
  pthread_sigmask(SIG_BLOCK, &all, &before);
  // Without a signal to this process when it ends: the program did not start it.
  const pid_t intermediate = StartSharing(StartProgram, intermediate_stack, 0, &start);
  if (intermediate < 0) start.error = errno;
  if (intermediate > 0) waitpid(intermediate, nullptr, __WCLONE);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

#else

void Run(Start& start) {
  const pid_t intermediate = fork();
  if (intermediate == 0) {
    if (fork() == 0) BecomeProgram(&start);
    _exit(0);
  }
  if (intermediate < 0) start.error = errno;
  if (intermediate > 0) waitpid(intermediate, nullptr, 0);
}

#endif

// Process 1 inherits it. Where that is this process, it would stay a zombie for as long as this one runs.
void WaitIfOurs(pid_t pid) {
  if (pid <= 0 || waitpid(pid, nullptr, WNOHANG) != 0) return;
  auto wait = [](void* data) -> void* {
    waitpid(static_cast<pid_t>(reinterpret_cast<intptr_t>(data)), nullptr, 0);
    return nullptr;
  };
  Thread::StartDetached(wait, reinterpret_cast<void*>(static_cast<intptr_t>(pid)));
}

// startInBackground(arguments: string[], environment: string[], waits: boolean, lock: number). The first argument is
// the program. It runs in "/" without stdio. Its descriptor 3 is at its end when this process has ended, if it is to
// wait for that; its descriptor 4 is the descriptor `lock` of this process, unless that is -1.
napi_value StartInBackground(napi_env env, napi_callback_info info) {
  napi_value args[4];
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  bool waits = false;
  int32_t lock = -1;
  if (!Arguments(env, info, args) || !StringsOf(env, args[0], arguments) || !StringsOf(env, args[1], environment) ||
      !BooleanOf(env, args[2], waits) || napi_get_value_int32(env, args[3], &lock) != napi_ok || arguments.empty()) {
    return ThrowTypeError(env, "Expected arrays of strings, arguments and environment, a boolean and a descriptor");
  }
  static const int until_end = UntilThisProcessEnds();
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  static std::mutex mutex;
  const std::lock_guard<std::mutex> one_at_a_time(mutex);
  Start start{argument_pointers.data(), environment_pointers.data(), waits ? until_end : -1, lock};
  Run(start);
  WaitIfOurs(start.pid);
  if (start.error == 0) return Undefined(env);
  napi_throw_error(env, nullptr, std::strerror(start.error));
  return nullptr;
}

// becomeProgram(arguments: string[], environment: string[]): this process becomes another program, and keeps its locks.
// Its folder is one in which nobody can make files: some of V8's flags write into the folder that they are started in.
napi_value BecomeAnotherProgram(napi_env env, napi_callback_info info) {
  napi_value args[2];
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  if (!Arguments(env, info, args) || !StringsOf(env, args[0], arguments) || !StringsOf(env, args[1], environment) ||
      arguments.empty()) {
    return ThrowTypeError(env, "Expected arrays of strings, arguments and environment");
  }
  if (chdir("/dev/fd") == 0) execve(arguments[0].c_str(), Pointers(arguments).data(), Pointers(environment).data());
  napi_throw_error(env, nullptr, std::strerror(errno));
  return nullptr;
}

// tryLock(descriptor: number): boolean. False when another process has the lock; the kernel drops it when that ends. A
// file system without locks gives it to everybody.
napi_value TryLock(napi_env env, napi_callback_info info) {
  napi_value args[1];
  int32_t descriptor = -1;
  if (!Arguments(env, info, args) || napi_get_value_int32(env, args[0], &descriptor) != napi_ok) {
    return ThrowTypeError(env, "Expected a descriptor");
  }
  return Boolean(env, flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK);
}

napi_value Unlock(napi_env env, napi_callback_info info) {
  napi_value args[1];
  int32_t descriptor = -1;
  if (!Arguments(env, info, args) || napi_get_value_int32(env, args[0], &descriptor) != napi_ok) {
    return ThrowTypeError(env, "Expected a descriptor");
  }
  flock(descriptor, LOCK_UN);
  return Undefined(env);
}

}  // namespace

void ExportBackground(napi_env env, napi_value exports) {
  ExportFunction(env, exports, "startInBackground", StartInBackground);
  ExportFunction(env, exports, "becomeProgram", BecomeAnotherProgram);
  ExportFunction(env, exports, "tryLock", TryLock);
  ExportFunction(env, exports, "unlock", Unlock);
}
