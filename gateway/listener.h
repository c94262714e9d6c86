// The listening sockets of one address, and one worker's loop that accepts from its own.
// Every worker has a socket of its own (SO_REUSEPORT): the kernel spreads new connections, and no lock is shared.
#pragma once

#include "gateway/connection_limits.h"
#include "gateway/sessions/serve_connection.h"
#include "metrics/connection_metrics.h"

namespace sluice {

// All sockets of one listener, bound and listening. `address.port` is the real one, also when port 0 was asked for.
struct ListeningSockets {
  config::Address address;
  std::vector<tls::Descriptor> sockets;  // one per worker
};

// Throws std::system_error when the address cannot be had, also when another gateway holds it.
ListeningSockets open_listening_sockets(const config::Address& address, unsigned count);

class Listener final : private tls::EventSource {
 public:
  Listener(proxy::Services& services, sessions::SessionSet& sessions, ConnectionLimits& limits, const config::Listener& config,
           std::unique_ptr<tls::ServerContext> tls_context, tls::Descriptor socket);

  void start();
  // Accepts what is queued already, since closing the socket would reset it, then closes.
  void close();

 private:
  void on_events(std::uint32_t events) override;
  void resume();
  // False: descriptors ran out.
  bool accept_some(int most);
  void serve(int descriptor, const struct sockaddr_storage& peer);
  // A place for the connection; false: it met a limit.
  bool admit(const std::optional<ClientKey>& client, ConnectionLimits::Place& place);
  void pause();

  proxy::Services& services_;
  sessions::SessionSet& sessions_;
  ConnectionLimits& limits_;
  const config::Listener& config_;
  std::unique_ptr<tls::ServerContext> tls_context_;
  tls::Descriptor socket_;
  tls::Deadline resume_;
  Clock::time_point quiet_until_{};  // no further warning about descriptors
};

}  // namespace sluice
