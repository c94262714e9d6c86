#include "gateway/listening_sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "tls/passed_descriptors.h"
#include "tls/tcp_options.h"

namespace sluice {
namespace {

struct SocketAddressStorage {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddressStorage to_storage(const config::Address& address) {
  SocketAddressStorage result;
  if (address.v6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    ::inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr);
    result.size = sizeof v6;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    ::inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr);
    result.size = sizeof v4;
  }
  return result;
}

[[noreturn]] void fail(const config::Address& address, const char* call) {
  throw std::system_error(errno, std::system_category(),
                          "cannot listen on " + address.text() + " (" + call + ")");
}

void set_option(int descriptor, int level, int option) {
  const int on = 1;
  ::setsockopt(descriptor, level, option, &on, sizeof on);
}

// The first socket of an address is bound without SO_REUSEPORT, so that a second gateway (or anybody else of
// the same user) cannot slip in unnoticed and take half of the connections; the flag is set before it
// listens.
tls::Descriptor open_one(const config::Address& address, bool first) {
  tls::Descriptor descriptor(
      ::socket(address.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (descriptor.get() < 0) fail(address, "socket");
  set_option(descriptor.get(), SOL_SOCKET, SO_REUSEADDR);
  if (address.v6) set_option(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  if (!first) set_option(descriptor.get(), SOL_SOCKET, SO_REUSEPORT);
  const SocketAddressStorage storage = to_storage(address);
  if (::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&storage.storage), storage.size) != 0) {
    fail(address, "bind");
  }
  set_option(descriptor.get(), SOL_SOCKET, SO_REUSEPORT);
  tls::set_tcp_options(descriptor.get());
  if (::listen(descriptor.get(), kBacklog) != 0) fail(address, "listen");
  return descriptor;
}

std::uint16_t port_of(const config::Address& address, int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) fail(address, "getsockname");
  return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

bool has_reuseport(int descriptor) {
  int on = 0;
  socklen_t size = sizeof on;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, &size) == 0 && on != 0;
}

ListeningSockets adopt(const config::Address& address, unsigned mode, unsigned count, InheritedSockets::Taken inherited) {
  ListeningSockets listening{address, std::move(inherited.sockets), nullptr};
  if (address.is_unix()) {
    if (inherited.ours) ::chmod(address.path.c_str(), mode);
    for (const tls::Descriptor& socket : listening.sockets) tls::refuse_descriptors(socket.get());
    listening.shared = std::make_shared<SharedSocket>(UnixSocketFile(), count);
    return listening;
  }
  listening.address.port = port_of(address, listening.sockets[0].get());
  for (const tls::Descriptor& socket : listening.sockets) tls::set_tcp_options(socket.get());
  if (!has_reuseport(listening.sockets[0].get())) {
    listening.shared = std::make_shared<SharedSocket>(UnixSocketFile(), count);
    return listening;
  }
  while (listening.sockets.size() < count) listening.sockets.push_back(open_one(listening.address, false));
  return listening;
}

}  // namespace

ListeningSockets open_listening_sockets(const config::Address& address, unsigned mode, unsigned count,
                                        InheritedSockets::Taken inherited) {
  if (!inherited.sockets.empty()) return adopt(address, mode, count, std::move(inherited));
  ListeningSockets listening;
  listening.address = address;
  if (address.is_unix()) {
    UnixSocketFile file;
    listening.sockets.push_back(open_unix_socket(address.path, mode, kBacklog, file));
    listening.shared = std::make_shared<SharedSocket>(std::move(file), count);
    return listening;
  }
  for (unsigned i = 0; i < count; ++i) {
    listening.sockets.push_back(open_one(listening.address, i == 0));
    if (i == 0) listening.address.port = port_of(address, listening.sockets[0].get());
  }
  return listening;
}

std::vector<tls::Descriptor> sockets_of(ListeningSockets& listening, unsigned worker, unsigned workers) {
  std::vector<tls::Descriptor> sockets;
  for (std::size_t i = worker; i < listening.sockets.size(); i += workers) sockets.push_back(std::move(listening.sockets[i]));
  return sockets;
}

const char* hint_for(const std::error_code& error) {
  if (error == std::errc::address_in_use) return "is another program, or another Sluice, using it?";
  if (error == std::errc::permission_denied) {
    return "ports under 1024 need root or CAP_NET_BIND_SERVICE (setcap cap_net_bind_service=+ep FILE), "
           "unix sockets a folder that may be written to";
  }
  if (error == std::errc::address_not_available) return "no interface of this machine has this address";
  if (error == std::errc::file_exists) return "something that is no socket stands there";
  if (error == std::errc::no_such_file_or_directory) return "the folder of a unix socket must exist";
  return "the system refused it";
}

}  // namespace sluice
