#include "link.h"

#include "values.h"

#if WMC_PLATFORM_SUPPORTED
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

namespace {

// macOS has neither: Node ignores SIGPIPE, and between two calls a process may be spawned.
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

// A lost SYN is sent again after one second; who waits longer than for a second one has no use for a cache.
constexpr int kConnectTimeout = 2000;
// Of a host with several addresses one may be dead, as IPv6 often is.
constexpr int kNextAddressAfter = 250;
constexpr size_t kReadAtOnce = size_t{1} << 18;
// What nobody fetches stays with the server.
constexpr size_t kMaxUnread = size_t{1} << 26;

class Link {
 public:
  Link(std::string host, std::string port, ByteSpan bytes)
      : host_(std::move(host)), port_(std::move(port)), unsent_(bytes.data, bytes.data + bytes.size) {}

  // Owns itself while the thread runs.
  static bool Start(const std::shared_ptr<Link>& link) {
    auto* self = new std::shared_ptr<Link>(link);
    auto run = [](void* data) -> void* {
      std::unique_ptr<std::shared_ptr<Link>> self(static_cast<std::shared_ptr<Link>*>(data));
      (*self)->Run();
      return nullptr;
    };
    if (StartDetachedThread(run, self)) return true;
    delete self;
    return false;
  }

  void Send(ByteSpan bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    unsent_.insert(unsent_.end(), bytes.data, bytes.data + bytes.size);
    if (is_connected_) SendUnsent();
  }

  // What has come since the last time; waits for it.
  std::vector<uint8_t> Take(int milliseconds, bool& has_ended, std::string& error) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(milliseconds), [this] { return has_ended_ || !unread_.empty(); });
    has_ended = has_ended_ && unread_.empty();
    error = error_;
    std::vector<uint8_t> taken = std::move(unread_);
    unread_.clear();
    changed_.notify_all();
    return taken;
  }

  void Close() {
    std::lock_guard<std::mutex> lock(mutex_);
    is_wanted_ = false;
    if (socket_ >= 0) shutdown(socket_, SHUT_RDWR);
    changed_.notify_all();
  }

 private:
  void Run() {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int failure = getaddrinfo(host_.c_str(), port_.c_str(), &hints, &found);
    if (failure != 0) return End(gai_strerror(failure));
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
    int error = ETIMEDOUT;
    for (addrinfo* each = found; each; each = each->ai_next) {
      error = Connect(*each, each->ai_next ? kNextAddressAfter : kConnectTimeout);
      if (error == 0) return Receive();
    }
    End(std::strerror(error));
  }

  // 0, or the error.
  int Connect(const addrinfo& address, int milliseconds) {
    int made = socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol);
    if (made < 0) return errno;
    fcntl(made, F_SETFD, FD_CLOEXEC);
    int on = 1;
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(made, F_SETFL, O_NONBLOCK);
    int error = connect(made, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      pollfd waiting{made, POLLOUT, 0};
      socklen_t size = sizeof error;
      int ready = poll(&waiting, 1, milliseconds);
      if (ready <= 0 || getsockopt(made, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = ETIMEDOUT;
    }
    if (error != 0) {
      close(made);
      return error;
    }
    fcntl(made, F_SETFL, 0);
    std::lock_guard<std::mutex> lock(mutex_);
    socket_ = made;
    is_connected_ = true;
    if (is_wanted_) {
      SendUnsent();
    } else {
      shutdown(made, SHUT_RDWR);
    }
    return 0;
  }

  // A few hundred bytes, which a connection that is not broken takes at once.
  void SendUnsent() {
    if (unsent_.empty()) return;
    ssize_t sent = send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != static_cast<ssize_t>(unsent_.size())) shutdown(socket_, SHUT_RDWR);
    unsent_.clear();
  }

  void Receive() {
    std::vector<uint8_t> bytes(kReadAtOnce);
    for (;;) {
      ssize_t count = recv(socket_, bytes.data(), bytes.size(), 0);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return End(count < 0 ? std::strerror(errno) : "");
      std::unique_lock<std::mutex> lock(mutex_);
      unread_.insert(unread_.end(), bytes.data(), bytes.data() + count);
      changed_.notify_all();
      changed_.wait(lock, [this] { return !is_wanted_ || unread_.size() < kMaxUnread; });
      if (!is_wanted_) break;
    }
    End("");
  }

  void End(const char* error) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
    is_connected_ = false;
    has_ended_ = true;
    error_ = error;
    changed_.notify_all();
  }

  const std::string host_;
  const std::string port_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<uint8_t> unsent_;
  std::vector<uint8_t> unread_;
  std::string error_;
  int socket_ = -1;
  bool is_connected_ = false;
  bool is_wanted_ = true;
  bool has_ended_ = false;
};

using SharedLink = std::shared_ptr<Link>;

}  // namespace

napi_value OpenLink(napi_env env, napi_callback_info info) {
  napi_value args[3];
  std::string host;
  uint32_t port = 0;
  ByteSpan bytes{};
  if (!Arguments(env, info, args) || !StringOf(env, args[0], host) ||
      napi_get_value_uint32(env, args[1], &port) != napi_ok || !BytesOf(env, args[2], bytes)) {
    return ThrowTypeError(env, "Expected a host, a port and a Uint8Array");
  }
  auto link = std::make_unique<SharedLink>(std::make_shared<Link>(host, std::to_string(port), bytes));
  auto finalize = [](napi_env, void* data, void*) {
    std::unique_ptr<SharedLink> link(static_cast<SharedLink*>(data));
    (*link)->Close();
  };
  napi_value external = nullptr;
  if (!Link::Start(*link) || napi_create_external(env, link.get(), finalize, nullptr, &external) != napi_ok) {
    napi_throw_error(env, nullptr, "No thread could be started");
    return nullptr;
  }
  link.release();
  return external;
}

napi_value SendOnLink(napi_env env, napi_callback_info info) {
  napi_value args[2];
  SharedLink* link = nullptr;
  ByteSpan bytes{};
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], link) || !BytesOf(env, args[1], bytes)) {
    return ThrowTypeError(env, "Expected a link and a Uint8Array");
  }
  (*link)->Send(bytes);
  return Undefined(env);
}

napi_value ReadLink(napi_env env, napi_callback_info info) {
  napi_value args[2];
  SharedLink* link = nullptr;
  uint32_t milliseconds = 0;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], link) ||
      napi_get_value_uint32(env, args[1], &milliseconds) != napi_ok) {
    return ThrowTypeError(env, "Expected a link and a number of milliseconds");
  }
  bool has_ended = false;
  std::string error;
  std::vector<uint8_t> bytes = (*link)->Take(static_cast<int>(milliseconds), has_ended, error);
  if (!has_ended) return bytes.empty() ? Undefined(env) : CopyToBuffer(env, bytes.data(), bytes.size());
  napi_value why = nullptr;
  if (error.empty()) {
    napi_get_null(env, &why);
  } else {
    napi_create_string_utf8(env, error.data(), error.size(), &why);
  }
  return why;
}

napi_value CloseLink(napi_env env, napi_callback_info info) {
  napi_value args[1];
  SharedLink* link = nullptr;
  if (!Arguments(env, info, args) || !ExternalOf(env, args[0], link)) return ThrowTypeError(env, "Expected a link");
  (*link)->Close();
  return Undefined(env);
}

#else

namespace {
napi_value Unsupported(napi_env env) {
  napi_throw_error(env, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "Not supported on this platform");
  return nullptr;
}
}  // namespace

napi_value OpenLink(napi_env env, napi_callback_info) { return Unsupported(env); }
napi_value SendOnLink(napi_env env, napi_callback_info) { return Unsupported(env); }
napi_value ReadLink(napi_env env, napi_callback_info) { return Unsupported(env); }
napi_value CloseLink(napi_env env, napi_callback_info) { return Unsupported(env); }

#endif
