// The listening sockets of one address, opened on the control thread.
#pragma once

#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "config/listener_config.h"
#include "gateway/handover.h"
#include "gateway/unix_socket.h"

namespace sluice {

class Listener;

// Connections that may wait to be accepted. The kernel bounds it by net.core.somaxconn.
inline constexpr int kBacklog = 4096;

// A unix socket cannot be bound once per worker (SO_REUSEPORT is for IP alone), nor can one that came without that
// option: one worker accepts, and gives the connections to all in turn.
struct SharedSocket {
  SharedSocket(UnixSocketFile socket_file, unsigned workers) : file(std::move(socket_file)), listeners(workers) {}
  UnixSocketFile file;  // none: not a unix socket, or another process removes it
  std::vector<Listener*> listeners;  // by worker, each set by its own; complete before the socket is listened to
  std::size_t next = 0;              // the accepting worker's alone
};

// All sockets of one listener, bound and listening. `address.port` is the real one, also when port 0 was
// asked for.
struct ListeningSockets {
  config::Address address;
  std::vector<tls::Descriptor> sockets;  // at least one per worker; one in all when it is shared
  std::shared_ptr<SharedSocket> shared;
};

// The sockets at which one of `workers` accepts; they leave `listening`.
std::vector<tls::Descriptor> sockets_of(ListeningSockets& listening, unsigned worker, unsigned workers);

// `mode`: of a unix socket's file. `count`: workers. What another process has handed over is used. Throws
// std::system_error when the address cannot be had, also when another gateway holds it.
ListeningSockets open_listening_sockets(const config::Address& address, unsigned mode, unsigned count,
                                        InheritedSockets::Taken inherited = {});
// The same, saying whose address it is.
class ListenError : public std::system_error {
 public:
  ListenError(const std::string& whose, const std::system_error& error) : std::system_error(error), text_(whose + ": " + error.what()) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// What may be wrong then, for the message.
const char* hint_for(const std::error_code& error);

}  // namespace sluice
