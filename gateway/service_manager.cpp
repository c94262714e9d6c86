#include "gateway/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "metrics/log.h"
#include "tls/descriptor.h"

namespace sluice::service_manager {
namespace {

void tell(const std::string& state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (*path == '@') address.sun_path[0] = '\0';  // of the abstract namespace
  const tls::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::send(socket.get(), state.data(), state.size(), MSG_NOSIGNAL) < 0) {
    metrics::log().warn("the service manager at {} cannot be told {}: {}", path, state, std::strerror(errno));
  }
}

}  // namespace

void ready() { tell("READY=1"); }

void reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.tv_sec * 1'000'000LL + now.tv_nsec / 1000));
}

void stopping() { tell("STOPPING=1"); }

void main_process_is(int pid) { tell("MAINPID=" + std::to_string(pid)); }

}  // namespace sluice::service_manager
