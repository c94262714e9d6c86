// Preloaded into the gateway: makes the n-th call of a kind fail, or be short, when a test says so.
//
// The test says so in a file that both have mapped (SLUICE_FAULT_CONTROL;
// tests/integration/support/faults.py). So one process serves any number of faults, one after the other, and
// nothing fails while nothing is armed.
//
// What fails here is what can happen. An error that means that the connection is gone ends the connection; a
// close() that fails has closed; and where epoll is edge-triggered, "nothing there" and a short read are
// followed by an event of their own, as if the rest had come a moment later.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>

// The gateway's calls come here, and go on to the next library's function of that name: the C library's or a
// sanitizer's.
#define NEXT(name) static const auto next = reinterpret_cast<decltype(&::name)>(::dlsym(RTLD_NEXT, #name))

namespace {

constexpr int kShort = 0;  // in place of an errno
constexpr int kDescriptors = 65536;

// Layout: faults.py.
struct Fault {
  char call[24];               // the function, or how several begin, as in "send*"; epoll_ctl_add, epoll_ctl_mod,
                               // connect_result, recv_splice and send_splice are told apart
  char thread[16];             // how the names of the threads begin that are meant
  std::atomic<int32_t> error;  // an errno, or kShort
  std::atomic<int32_t> at;     // the call that fails, from 1; 0: none. It is written last
  std::atomic<int32_t> always;  // every at-th call fails
  std::atomic<int32_t> seen;    // calls that came since
  std::atomic<int32_t> side;    // whose descriptor the call was made on that failed
};

struct Control {
  Fault faults[2];
  std::atomic<uint64_t> waits;  // calls of epoll_wait
};
static_assert(sizeof(Fault) == 60 && sizeof(Control) == 128);

enum Side : std::uint8_t { kNone, kClient, kBackend, kListener, kEvents };

struct Watch {
  int epoll = -1;
  epoll_event event{};
};

std::array<std::atomic<std::uint8_t>, kDescriptors> sides;  // what is not in here is no socket
std::array<Watch, kDescriptors> watches;                    // a descriptor belongs to one thread

Control* map_control() {
  const char* path = std::getenv("SLUICE_FAULT_CONTROL");
  if (path == nullptr) return nullptr;
  const int descriptor = ::open(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) ::abort();
  void* memory = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) ::abort();
  NEXT(close);
  next(descriptor);
  return static_cast<Control*>(memory);
}

Control* control() {
  static Control* const mapped = map_control();
  return mapped;
}

bool known(int descriptor) { return descriptor >= 0 && descriptor < kDescriptors; }
Side side_of(int descriptor) {
  return known(descriptor) ? static_cast<Side>(sides[static_cast<std::size_t>(descriptor)].load()) : kNone;
}

int note(int descriptor, Side side) {
  if (known(descriptor)) sides[static_cast<std::size_t>(descriptor)] = side;
  return descriptor;
}

bool is_named(const char* call, const char* name) {
  const std::size_t size = std::strcspn(name, "*");
  return std::strncmp(call, name, size) == 0 && (name[size] == '*' || call[size] == '\0');
}

bool meant(const Fault& fault, const char* call) {
  if (fault.at.load(std::memory_order_acquire) == 0 || !is_named(call, fault.call)) return false;
  char name[16] = "";
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  return std::strncmp(name, fault.thread, std::strlen(fault.thread)) == 0;
}

// Counts the call. True: it is to fail, with `error`.
bool fails(const char* call, Side side, int& error) {
  if (control() == nullptr) return false;
  for (Fault& fault : control()->faults) {
    if (!meant(fault, call)) continue;
    const int seen = ++fault.seen;
    const bool due = fault.always != 0 ? seen % fault.at == 0 : seen == fault.at;
    if (!due) continue;
    fault.side = side;
    error = fault.error;
    return true;
  }
  return false;
}

// As if something had come, or had got room, just now.
void tell_again(int descriptor) {
  const Watch& watch = watches[static_cast<std::size_t>(descriptor)];
  epoll_event event = watch.event;
  NEXT(epoll_ctl);
  if (watch.epoll >= 0) next(watch.epoll, EPOLL_CTL_MOD, descriptor, &event);
}

// What is true of the descriptor once the error was told.
int fail(int descriptor, int error) {
  NEXT(shutdown);
  switch (error) {
    case EAGAIN:
      tell_again(descriptor);
      break;
    case EPIPE:
    case ECONNRESET:
    case ETIMEDOUT:
    case ENOTCONN:
      next(descriptor, SHUT_RDWR);
      break;
    default:
      break;
  }
  errno = error;
  return -1;
}

// Whoever comes next comes a moment later than the one that is gone.
int fail_to_accept(int descriptor, int error) {
  if (error == ECONNABORTED || error == EPROTO) tell_again(descriptor);
  errno = error;
  return -1;
}

// A plain call: it fails, or it is made.
template <typename Call>
auto call_or_fail(const char* name, Side side, Call call) -> decltype(call()) {
  int error = 0;
  if (!fails(name, side, error)) return call();
  errno = error;
  return -1;
}

// `call` receives into the size that it is given.
template <typename Call>
ssize_t receive(const char* name, int descriptor, std::size_t size, Call call) {
  int error = 0;
  if (side_of(descriptor) == kNone || !fails(name, side_of(descriptor), error)) return call(size);
  if (error != kShort) return fail(descriptor, error);
  const ssize_t got = call(size > 0 ? 1 : 0);
  const int told = errno;
  tell_again(descriptor);
  errno = told;
  return got;
}

template <typename Call>
ssize_t transmit(const char* name, int descriptor, std::size_t size, Call call) {
  int error = 0;
  if (side_of(descriptor) == kNone || !fails(name, side_of(descriptor), error)) return call(size);
  return error == kShort ? call(size > 0 ? 1 : 0) : fail(descriptor, error);
}

}  // namespace

extern "C" {

// ---- sockets ---------------------------------------------------------------------------------------------

int socket(int domain, int type, int protocol) noexcept {
  NEXT(socket);
  return note(call_or_fail("socket", kBackend, [=] { return next(domain, type, protocol); }), kBackend);
}

int bind(int descriptor, const sockaddr* address, socklen_t size) noexcept {
  NEXT(bind);
  return call_or_fail("bind", kListener, [=] { return next(descriptor, address, size); });
}

int listen(int descriptor, int backlog) noexcept {
  NEXT(listen);
  note(descriptor, kListener);
  return call_or_fail("listen", kListener, [=] { return next(descriptor, backlog); });
}

int accept4(int descriptor, sockaddr* address, socklen_t* size, int flags) {
  NEXT(accept4);
  int error = 0;
  if (fails("accept4", kListener, error)) return fail_to_accept(descriptor, error);
  return note(next(descriptor, address, size, flags), kClient);
}

int accept(int descriptor, sockaddr* address, socklen_t* size) {
  NEXT(accept);
  int error = 0;
  if (fails("accept", kListener, error)) return fail_to_accept(descriptor, error);
  return note(next(descriptor, address, size), kClient);
}

int connect(int descriptor, const sockaddr* address, socklen_t size) {
  NEXT(connect);
  return call_or_fail("connect", kBackend, [=] { return next(descriptor, address, size); });
}

int getsockname(int descriptor, sockaddr* address, socklen_t* size) noexcept {
  NEXT(getsockname);
  return call_or_fail("getsockname", side_of(descriptor), [=] { return next(descriptor, address, size); });
}

int setsockopt(int descriptor, int level, int option, const void* value, socklen_t size) noexcept {
  NEXT(setsockopt);
  return call_or_fail("setsockopt", side_of(descriptor),
                      [=] { return next(descriptor, level, option, value, size); });
}

// "connect_result": the call tells that connecting failed, and why.
int getsockopt(int descriptor, int level, int option, void* value, socklen_t* size) noexcept {
  NEXT(getsockopt);
  int error = 0;
  if (level == SOL_SOCKET && option == SO_ERROR && fails("connect_result", side_of(descriptor), error)) {
    std::memcpy(value, &error, sizeof error);
    return 0;
  }
  return call_or_fail("getsockopt", side_of(descriptor),
                      [=] { return next(descriptor, level, option, value, size); });
}

ssize_t recv(int descriptor, void* data, std::size_t size, int flags) {
  NEXT(recv);
  return receive("recv", descriptor, size,
                 [=](std::size_t room) { return next(descriptor, data, room, flags); });
}

ssize_t read(int descriptor, void* data, std::size_t size) {
  NEXT(read);
  const bool counter = side_of(descriptor) == kEvents;  // it has no half of a number
  return receive("read", descriptor, size,
                 [=](std::size_t room) { return next(descriptor, data, counter ? size : room); });
}

ssize_t send(int descriptor, const void* data, std::size_t size, int flags) {
  NEXT(send);
  return transmit("send", descriptor, size,
                  [=](std::size_t part) { return next(descriptor, data, part, flags); });
}

ssize_t write(int descriptor, const void* data, std::size_t size) {
  NEXT(write);
  const bool counter = side_of(descriptor) == kEvents;
  return transmit("write", descriptor, size,
                  [=](std::size_t part) { return next(descriptor, data, counter ? size : part); });
}

ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  NEXT(sendmsg);
  std::size_t whole = 0;
  for (std::size_t i = 0; i < message->msg_iovlen; ++i) whole += message->msg_iov[i].iov_len;
  return transmit("sendmsg", descriptor, whole, [=](std::size_t part) {
    if (part == whole) return next(descriptor, message, flags);
    const iovec* first = message->msg_iov;
    while (first->iov_len == 0) ++first;
    iovec byte{first->iov_base, part};
    msghdr cut = *message;
    cut.msg_iov = &byte;
    cut.msg_iovlen = 1;
    return next(descriptor, &cut, flags);
  });
}

// "recv_splice" from a socket, "send_splice" to one: the other end is a pipe.
ssize_t splice(int from, off64_t* from_offset, int to, off64_t* to_offset, std::size_t size, unsigned flags) {
  NEXT(splice);
  const auto call = [=](std::size_t part) { return next(from, from_offset, to, to_offset, part, flags); };
  return side_of(from) != kNone ? receive("recv_splice", from, size, call) : transmit("send_splice", to, size, call);
}

int pipe2(int* ends, int flags) noexcept {
  NEXT(pipe2);
  return call_or_fail("pipe2", kNone, [=] { return next(ends, flags); });
}

int shutdown(int descriptor, int how) noexcept {
  NEXT(shutdown);
  int error = 0;
  return fails("shutdown", side_of(descriptor), error) ? fail(descriptor, error) : next(descriptor, how);
}

// ---- any descriptor --------------------------------------------------------------------------------------

int close(int descriptor) {
  NEXT(close);
  const Side side = side_of(descriptor);
  if (side == kNone) return next(descriptor);
  note(descriptor, kNone);  // before somebody else gets the number
  watches[static_cast<std::size_t>(descriptor)] = {};
  int error = 0;
  if (!fails("close", side, error)) return next(descriptor);
  next(descriptor);
  errno = error;
  return -1;
}

int fcntl(int descriptor, int command, ...) {
  NEXT(fcntl);
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (side_of(descriptor) == kNone) return next(descriptor, command, argument);
  return call_or_fail("fcntl", side_of(descriptor), [=] { return next(descriptor, command, argument); });
}

int ioctl(int descriptor, unsigned long request, ...) noexcept {
  NEXT(ioctl);
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (side_of(descriptor) == kNone) return next(descriptor, request, argument);
  return call_or_fail("ioctl", side_of(descriptor), [=] { return next(descriptor, request, argument); });
}

// ---- events ----------------------------------------------------------------------------------------------

int eventfd(unsigned int count, int flags) noexcept {
  NEXT(eventfd);
  return note(call_or_fail("eventfd", kEvents, [=] { return next(count, flags); }), kEvents);
}

int epoll_create1(int flags) noexcept {
  NEXT(epoll_create1);
  return note(call_or_fail("epoll_create1", kEvents, [=] { return next(flags); }), kEvents);
}

int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) noexcept {
  NEXT(epoll_ctl);
  const char* name = operation == EPOLL_CTL_ADD   ? "epoll_ctl_add"
                     : operation == EPOLL_CTL_MOD ? "epoll_ctl_mod"
                                                  : "epoll_ctl_del";
  const int result =
      call_or_fail(name, side_of(descriptor), [=] { return next(epoll, operation, descriptor, event); });
  if (result == 0 && operation != EPOLL_CTL_DEL && known(descriptor))
    watches[static_cast<std::size_t>(descriptor)] = {epoll, *event};
  return result;
}

// Short: one event at a time.
int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  NEXT(epoll_wait);
  if (control() != nullptr) ++control()->waits;
  int error = 0;
  if (!fails("epoll_wait", kEvents, error)) return next(epoll, events, most, timeout);
  if (error == kShort) return next(epoll, events, 1, timeout);
  errno = error;
  return -1;
}

}  // extern "C"
