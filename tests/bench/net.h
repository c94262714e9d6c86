#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace sluice::bench {

// Owns one descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Edge-triggered for connections: each is registered once, and no epoll_ctl is spent afterwards.
class Poller {
 public:
  Poller();

  void add_connection(int fd, void* tag);
  void add_listener(int fd, void* tag);
  // The end of standard input asks a tool to stop; a terminal or a pipe works, /dev/null is ignored.
  void add_standard_input(void* tag);
  std::span<const epoll_event> wait(int64_t timeout_ns);

 private:
  void add(int fd, uint32_t events, void* tag);

  Fd epoll_;
  std::array<epoll_event, 512> events_;
};

int64_t now_ns();

// "127.0.0.1:8080"; exits with a message when it is something else.
sockaddr_in parse_address(const std::string& text);

// Listens on a free port of the loopback address and reports it.
Fd listen_on_loopback(uint16_t& port);
// An empty Fd when no connection is waiting.
Fd accept_connection(int listener);
// Starts connecting without waiting; an empty Fd on an immediate failure.
Fd start_connect(const sockaddr_in& address);
// True once a connect that was started has succeeded.
bool connect_succeeded(int fd);

}  // namespace sluice::bench
