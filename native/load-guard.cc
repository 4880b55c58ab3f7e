// Notes in a file, beside an artifact, that V8 is restoring it, and whether V8 crashed. src/caches/crash-guard.ts reads
// the file.
//
// JavaScript cannot do this alone: `finally` does not run in a worker that is terminated, nor in a process that ends.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "load-guard.h"
#include "node-api.h"
#include "subjects.h"

// A load that is under way. The signal handler reads it, so it has a fixed size and stays where it is.
struct Load {
  std::atomic<bool> is_active{false};
  pthread_t thread{};
  int descriptor = -1;
  off_t line = 0;
  char file[PATH_MAX]{};
};

namespace {

// The lines of loads have one length, so that one can replace another in place.
constexpr char kLoading[] = "loading\n";
constexpr char kCrashed[] = "crashed\n";
constexpr char kLoaded[] = "loaded \n";
constexpr size_t kLineLength = sizeof(kLoading) - 1;
// A file that more loads share is not written to. Their crashes are noted all the same.
constexpr off_t kMaxFileSize = 4096;

constexpr size_t kMaxLoads = 64;
Load loads[kMaxLoads];
std::mutex mutex;
int active_loads = 0;
// Signal handlers that write to notes now.
std::atomic<int> marking{0};

int OpenNote(const char* file, int creation_flags) {
  return open(file, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | creation_flags, 0600);
}

// A regular file with one name and with room for a line.
bool IsNote(int descriptor, struct stat& status) {
  return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
         status.st_size < kMaxFileSize;
}

bool Append(int descriptor, const char* line) {
  return write(descriptor, line, kLineLength) == static_cast<ssize_t>(kLineLength);
}

void Open(Load& load) {
  int descriptor = OpenNote(load.file, O_CREAT | O_EXCL);
  const bool is_new = descriptor >= 0;
  if (!is_new) descriptor = OpenNote(load.file, 0);
  if (descriptor < 0) return;
  struct stat status{};
  if (is_new) fchmod(descriptor, 0600);  // whatever the program's umask is
  // The kernel drops the lock when this process ends, in whatever container it is: readers see that the load is over.
  // A reader that judges the note has it for some microseconds.
  for (int tries = 0; flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK && tries < 20; ++tries) {
    usleep(50);
  }
  if (!IsNote(descriptor, status) || !Append(descriptor, kLoading)) {
    if (is_new) unlink(load.file);  // The disk is full.
    close(descriptor);
    return;
  }
  load.line = lseek(descriptor, 0, SEEK_CUR) - static_cast<off_t>(kLineLength);
  fcntl(descriptor, F_SETFL, 0);  // Otherwise Linux appends also what is written elsewhere.
  load.descriptor = descriptor;
}

// Whether the file has more to tell than that V8 is restoring: a crash, or the trials of a quarantined artifact.
bool HasHistory(int descriptor) {
  char text[kMaxFileSize + 1];
  const ssize_t length = pread(descriptor, text, kMaxFileSize, 0);
  if (length < 0) return true;
  text[length] = '\0';
  return std::strstr(text, "crashed") || std::strstr(text, "quarantined");
}

void Close(Load& load) {
  if (load.descriptor < 0) return;
  struct stat own{};
  struct stat named{};
  const bool is_there = fstat(load.descriptor, &own) == 0 && lstat(load.file, &named) == 0 &&
                        own.st_ino == named.st_ino && own.st_dev == named.st_dev;
  const bool is_removed = is_there && !HasHistory(load.descriptor) && unlink(load.file) == 0;
  // A note that stays, also because it cannot be removed, must not look like a load that was interrupted.
  if (!is_removed) pwrite(load.descriptor, kLoaded, kLineLength, load.line);
  close(load.descriptor);
  load.descriptor = -1;
}

// Notes that a signal handler made for loads that had none any more, because another load has removed it.
struct NewNotes {
  int descriptors[kMaxLoads];
  off_t lines[kMaxLoads];
};

bool HasNote(const Load& load) {
  struct stat status{};
  return load.descriptor >= 0 && fstat(load.descriptor, &status) == 0 && status.st_nlink > 0;
}

// Only what a signal handler may call, as TakeBack.
void MarkCrashed(NewNotes& made) {
  ++marking;
  for (size_t i = 0; i < kMaxLoads; ++i) {
    made.descriptors[i] = -1;
    if (!loads[i].is_active) continue;
    if (HasNote(loads[i])) {
      pwrite(loads[i].descriptor, kCrashed, kLineLength, loads[i].line);
      continue;
    }
    const int descriptor = OpenNote(loads[i].file, O_CREAT);
    struct stat status{};
    if (descriptor < 0) continue;
    if (IsNote(descriptor, status) && Append(descriptor, kCrashed)) {
      made.descriptors[i] = descriptor;
      made.lines[i] = lseek(descriptor, 0, SEEK_CUR) - static_cast<off_t>(kLineLength);
    } else {
      close(descriptor);
    }
  }
  --marking;
}

// It was no crash.
void TakeBack(const NewNotes& made) {
  ++marking;
  for (size_t i = 0; i < kMaxLoads; ++i) {
    if (made.descriptors[i] >= 0) {
      fcntl(made.descriptors[i], F_SETFL, 0);  // Otherwise Linux appends also what is written elsewhere.
      pwrite(made.descriptors[i], kLoaded, kLineLength, made.lines[i]);
      close(made.descriptors[i]);
    } else if (loads[i].is_active && HasNote(loads[i])) {
      pwrite(loads[i].descriptor, kLoading, kLineLength, loads[i].line);
    }
  }
  --marking;
}

constexpr int kCrashSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE};
constexpr size_t kCrashSignalCount = sizeof(kCrashSignals) / sizeof(int);
struct sigaction earlier_actions[kCrashSignalCount];

bool IsMainThread() {
#ifdef __linux__
  return syscall(SYS_gettid) == getpid();
#else
  return pthread_main_np() != 0;
#endif
}

// V8 restores in this thread, or in helper threads of its own. Neither does so in the main thread, unless that loads.
bool IsCrashOfLoad(const siginfo_t* info) {
  const bool is_sent = info->si_code == SI_USER || info->si_code == SI_QUEUE;
  if (is_sent && info->si_pid != getpid()) return false;
  if (!IsMainThread()) return true;
  for (const Load& load : loads) {
    if (load.is_active && pthread_equal(load.thread, pthread_self())) return true;
  }
  return false;
}

void OnCrash(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  size_t index = 0;
  while (kCrashSignals[index] != signal) ++index;
  const struct sigaction earlier = earlier_actions[index];
  const bool is_crash_of_load = IsCrashOfLoad(info);
  NewNotes made;
  if (is_crash_of_load) MarkCrashed(made);

  const bool has_handler =
      (earlier.sa_flags & SA_SIGINFO) != 0 || (earlier.sa_handler != SIG_DFL && earlier.sa_handler != SIG_IGN);
  if (has_handler && (earlier.sa_flags & SA_SIGINFO) != 0) {
    earlier.sa_sigaction(signal, info, context);
  } else if (has_handler) {
    earlier.sa_handler(signal);
  } else {
    // The default ends the process as if there were no handler here, with the same signal.
    struct sigaction fatal{};
    fatal.sa_handler = SIG_DFL;
    sigaction(signal, &fatal, nullptr);
    raise(signal);  // It is blocked until this function returns.
  }
  struct sigaction now{};
  const bool is_handled = has_handler && sigaction(signal, nullptr, &now) == 0 &&
                          ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL);
  // V8 handled it: WebAssembly in another thread accessed memory out of bounds.
  if (is_handled && is_crash_of_load) TakeBack(made);
  errno = error;
}

void WatchCrashes() {
  struct sigaction action{};
  action.sa_sigaction = OnCrash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t i = 0; i < kCrashSignalCount; ++i) sigaction(kCrashSignals[i], &action, &earlier_actions[i]);
}

void StopWatchingCrashes() {
  for (size_t i = 0; i < kCrashSignalCount; ++i) {
    struct sigaction now{};
    // If the program has set a handler meanwhile, it stays.
    const bool is_own = sigaction(kCrashSignals[i], nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
                        now.sa_sigaction == OnCrash;
    if (is_own) sigaction(kCrashSignals[i], &earlier_actions[i], nullptr);
  }
}

void Finish(Load& load) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (!load.is_active.exchange(false)) return;  // The process was ending.
  // Another thread may still write to the descriptor, of which the next file would get the number.
  while (marking > 0) usleep(50);
  Close(load);
  if (--active_loads == 0) StopWatchingCrashes();
}

// The process ends without waiting for its threads: their loads did nothing wrong.
void FinishAll() {
  for (Load& load : loads) Finish(load);
}

// Null when more loads are under way than there is room for.
Load* Begin(const std::string& file) {
  static const int at_exit = std::atexit(FinishAll);
  static_cast<void>(at_exit);
  if (file.size() >= PATH_MAX) return nullptr;
  const std::lock_guard<std::mutex> lock(mutex);
  for (Load& load : loads) {
    if (load.is_active) continue;
    std::memcpy(load.file, file.c_str(), file.size() + 1);
    load.thread = pthread_self();
    load.descriptor = -1;
    Open(load);
    if (active_loads++ == 0) WatchCrashes();
    load.is_active = true;
    return &load;
  }
  return nullptr;
}

// watchLoad(file: string, load: () => T): T. The note is gone when this returns, unless V8 crashed.
napi_value WatchLoad(napi_env env, napi_callback_info info) {
  napi_value args[2];
  std::string file;
  if (!Arguments(env, info, args) || !StringOf(env, args[0], file)) {
    return ThrowTypeError(env, "Expected the path of a file, and a function");
  }
  const WatchedLoad watched(file);
  napi_value result = nullptr;
  napi_call_function(env, Undefined(env), args[1], 0, nullptr, &result);
  return result;
}

}  // namespace

WatchedLoad::WatchedLoad(const std::string& file) : load_(Begin(file)) {}

WatchedLoad::~WatchedLoad() {
  if (load_) Finish(*load_);
}

void ExportLoadGuard(napi_env env, napi_value exports) { ExportFunction(env, exports, "watchLoad", WatchLoad); }
