// The listening sockets of one address, opened on the control thread before the workers start.
#pragma once

#include <memory>
#include <vector>

#include "config/listener_config.h"
#include "gateway/unix_socket.h"

namespace sluice {

class Listener;

// Connections that may wait to be accepted. The kernel bounds it by net.core.somaxconn.
inline constexpr int kBacklog = 4096;

// A unix socket cannot be bound once per worker (SO_REUSEPORT is for IP alone): one worker accepts, and gives
// the connections to all in turn.
struct SharedSocket {
  explicit SharedSocket(UnixSocketFile socket_file) : file(std::move(socket_file)) {}
  UnixSocketFile file;
  std::vector<Listener*>
      listeners;  // one per worker; complete before the first worker starts, and not changed after that
  std::size_t next = 0;  // the accepting worker's alone
};

// All sockets of one listener, bound and listening. `address.port` is the real one, also when port 0 was
// asked for.
struct ListeningSockets {
  config::Address address;
  std::vector<tls::Descriptor> sockets;  // one per worker; of a unix socket the first worker has the only one
  std::shared_ptr<SharedSocket> shared;  // of a unix socket
};

// `mode`: of a unix socket's file. Throws std::system_error when the address cannot be had, also when another
// gateway holds it.
ListeningSockets open_listening_sockets(const config::Address& address, unsigned mode, unsigned count);

}  // namespace sluice
