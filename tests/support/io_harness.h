// One worker's event loop for unit tests, driven by hand on the test's own thread, and socket pairs whose far
// end is a plain descriptor in the test's hands. Everything happens in run_until(), settle() and await();
// nothing sleeps.
#pragma once

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "metrics/connection_metrics.h"
#include "metrics/registry.h"
#include "tls/stream.h"
#include "tls/stream_error.h"
#include "tls/worker_io.h"

namespace sluice::test {

using namespace std::chrono_literals;

// How long anything may take before the test gives up on it.
inline constexpr std::chrono::seconds kPatience{10};

// The far end of a connection: a non-blocking descriptor and what the test does with it.
class Peer {
 public:
  Peer() = default;
  explicit Peer(int descriptor) : descriptor_(descriptor) {}
  Peer(Peer&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Peer& operator=(Peer&& other) noexcept {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
    return *this;
  }
  ~Peer() { close(); }

  int descriptor() const { return descriptor_; }
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // As much as fits; how much that was.
  std::size_t send_some(std::string_view bytes) {
    const ssize_t n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  // Whatever has come; notes the end.
  std::string receive(std::size_t at_most = 1 << 20) {
    std::string bytes(at_most, '\0');
    std::size_t have = 0;
    while (have < at_most) {
      const ssize_t n = ::recv(descriptor_, bytes.data() + have, at_most - have, 0);
      if (n == 0) ended_ = true;
      if (n < 0 && errno == ECONNRESET) was_reset_ = true;
      if (n <= 0) break;
      have += static_cast<std::size_t>(n);
    }
    bytes.resize(have);
    return bytes;
  }
  bool ended() {
    char byte;
    const ssize_t n = ::recv(descriptor_, &byte, 1, MSG_PEEK);
    return ended_ || n == 0;
  }
  bool was_reset() const { return was_reset_; }
  void finish() { ::shutdown(descriptor_, SHUT_WR); }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  // TCP only: the other side gets a RST.
  void reset() {
    const ::linger hard{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }

 private:
  int descriptor_ = -1;
  bool ended_ = false;
  bool was_reset_ = false;
};

inline void check(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

// A socket that listens on a port of the kernel's choice on 127.0.0.1 (or another loopback address).
class TcpListener {
 public:
  explicit TcpListener(int backlog = 16, const char* address = "127.0.0.1") {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    check(::inet_pton(AF_INET, address, &name.sin_addr) == 1, "address");
    check(::bind(descriptor_, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0, "bind");
    check(::listen(descriptor_, backlog) == 0, "listen");
    socklen_t size = sizeof address_;
    check(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address_), &size) == 0, "getsockname");
  }
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  ~TcpListener() { close(); }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  const sockaddr_in& address() const { return address_; }
  std::uint16_t port() const { return ntohs(address_.sin_port); }
  // The next connection; waits for it.
  Peer accept() {
    pollfd waiting{descriptor_, POLLIN, 0};
    check(::poll(&waiting, 1, 10000) == 1, "nobody connected");
    return Peer(::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  }
  bool has_connection() const {
    pollfd waiting{descriptor_, POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
  }

 private:
  int descriptor_ = -1;
  sockaddr_in address_{};
};

class IoHarness {
 public:
  explicit IoHarness(std::uint64_t max_held_bytes = 1 << 30) : held(max_held_bytes) {
    std::signal(SIGPIPE, SIG_IGN);  // as the gateway does: splice() knows no MSG_NOSIGNAL
  }

  // Runs the loop until `done`; false: it did not come true in time.
  template <typename Predicate>
  [[nodiscard]] bool run_until(Predicate done, std::chrono::milliseconds patience = kPatience) {
    const Clock::time_point limit = Clock::now() + patience;
    while (!done()) {
      if (Clock::now() >= limit) return false;
      loop.turn(5ms);
    }
    return true;
  }
  // Runs what can run now, without waiting for timers.
  void settle() {
    for (int turns = 0; turns < 64; ++turns) loop.turn(0ms);
  }
  void run_for(std::chrono::milliseconds time) {
    const Clock::time_point end = Clock::now() + time;
    while (Clock::now() < end) loop.turn(1ms);
  }

  // Runs a coroutine to its end.
  template <typename T>
  T await(Awaitable<T> coroutine) {
    std::optional<T> result;
    bool done = false;
    std::exception_ptr failure;
    loop.spawn(store(std::move(coroutine), result, failure, done));
    if (!run_until([&] { return done; })) throw std::runtime_error("the coroutine did not end");
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }
  // Starts one whose end sets the flag.
  void spawn(Awaitable<> coroutine, bool& done) { loop.spawn(note_end(std::move(coroutine), done)); }

  // Connected sockets: ours for a stream, the far end for the test. Unix ones deliver at once; TCP ones can
  // be reset.
  std::pair<tls::Descriptor, Peer> unix_pair(int buffer_size = 0) {
    int ends[2];
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0, "socketpair");
    if (buffer_size > 0) {
      for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size);
    }
    return {tls::Descriptor(ends[0]), Peer(ends[1])};
  }
  std::pair<tls::Descriptor, Peer> tcp_pair() {
    TcpListener listener;
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(::connect(descriptor, reinterpret_cast<const sockaddr*>(&listener.address()),
                    sizeof(sockaddr_in)) == 0,
          "connect");
    ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return {tls::Descriptor(descriptor), listener.accept()};
  }
  std::pair<tls::StreamPtr, Peer> plain_stream(int buffer_size = 0) {
    auto [socket, peer] = unix_pair(buffer_size);
    return {tls::Stream::plain(io, std::move(socket)), std::move(peer)};
  }
  std::pair<tls::StreamPtr, Peer> tcp_stream() {
    auto [socket, peer] = tcp_pair();
    return {tls::Stream::plain(io, std::move(socket)), std::move(peer)};
  }

  tls::EventLoop loop;
  metrics::Registry registry{1};
  metrics::ConnectionMetrics metrics{registry, 0, {}};
  tls::HeldBytes held;
  tls::WorkerIo io{loop, held, metrics};

 private:
  template <typename T>
  static Awaitable<> store(Awaitable<T> coroutine, std::optional<T>& result, std::exception_ptr& failure, bool& done) {
    try {
      T value = co_await coroutine;
      result.emplace(std::move(value));
    } catch (...) {
      failure = std::current_exception();
    }
    done = true;
  }
  static Awaitable<> note_end(Awaitable<> coroutine, bool& done) {
    try {
      co_await coroutine;
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    done = true;
  }
};

// Reads until it would block, or the end; `error` is the last result's.
struct Drained {
  std::string bytes;
  ErrorCode error;
};
inline Drained drain(tls::Stream& stream, std::size_t piece = 64 * 1024) {
  Drained all;
  std::string memory(piece, '\0');
  for (bool drained = false;;) {
    const tls::ReadResult read = stream.read_some(memory.data(), memory.size());
    if (drained) {
      EXPECT_EQ(read.error, tls::StreamError::would_block) << "the read before said that nothing is left";
    }
    drained = read.drained;
    all.error = read.error;
    if (read.error) return all;
    all.bytes.append(memory.data(), read.size);
  }
}

// As an owner does it: reads, waits, reads on, until `size` bytes are there or the stream ends.
inline Awaitable<Drained> read_at_least(tls::Stream& stream, std::size_t size,
                                        std::size_t piece = 64 * 1024) {
  Drained all;
  for (;;) {
    Drained more = drain(stream, piece);
    all.bytes += more.bytes;
    all.error = more.error;
    if (all.bytes.size() >= size || all.error != tls::StreamError::would_block) co_return all;
    co_await stream.wait_readable();
  }
}

// Bytes in which every position can be told from its neighbours.
inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 31 + i / 251) & 0xff);
  return bytes;
}

}  // namespace sluice::test
