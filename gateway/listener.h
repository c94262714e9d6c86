// One worker's part of a listener: accepts connections and starts their sessions. Its worker's thread.
// Every worker has a socket of its own (SO_REUSEPORT): the kernel spreads new connections, and no lock is shared. A unix socket
// is the exception (see SharedSocket): the first worker accepts and posts the connections to the others.
#pragma once

#include "gateway/connection_limits.h"
#include "gateway/listening_sockets.h"
#include "gateway/sessions/serve_connection.h"
#include "metrics/connection_metrics.h"

namespace sluice {

class Listener final : private tls::EventSource {
 public:
  // `tls_context` null: plain. `socket` none: another worker accepts for this one.
  Listener(proxy::Services& services, sessions::SessionSet& sessions, ConnectionLimits& limits,
           std::shared_ptr<const config::Listener> config, std::shared_ptr<const tls::ServerContext> tls_context,
           tls::Descriptor socket, std::shared_ptr<SharedSocket> shared);

  const std::string& name() const noexcept { return config_->name; }
  void start();
  // Connections that are accepted from now on get these.
  void renew(std::shared_ptr<const config::Listener> config) { config_ = std::move(config); }
  void renew_tls(std::shared_ptr<const tls::ServerContext> tls_context) { tls_context_ = std::move(tls_context); }
  // Accepts what is queued already, since closing the socket would reset it, then closes.
  void close();

 private:
  void on_events(std::uint32_t events) override;
  void resume();
  // False: descriptors ran out.
  bool accept_some(int most);
  // A connection that has its place within the limits.
  struct Admitted {
    tls::Descriptor socket;
    std::string peer_address;
    std::uint16_t peer_port = 0;
    bool peer_trusted = false;
    ConnectionLimits::Place place;
  };
  void accepted(tls::Descriptor socket, const struct sockaddr_storage& peer);
  void refuse_untrusted(const std::string& peer);
  void hand_over(Listener& listener, Admitted admitted);
  void serve(Admitted admitted);
  // A place for the connection; false: it met a limit.
  bool admit(const std::optional<ClientKey>& client, ConnectionLimits::Place& place);
  void pause();

  proxy::Services& services_;
  sessions::SessionSet& sessions_;
  ConnectionLimits& limits_;
  std::shared_ptr<const config::Listener> config_;
  std::shared_ptr<const tls::ServerContext> tls_context_;
  tls::Descriptor socket_;                 // none: the connections come from the worker that has it
  std::shared_ptr<SharedSocket> shared_;   // of a unix socket
  tls::Deadline resume_;
  Clock::time_point quiet_until_{};  // no further warning about descriptors
};

}  // namespace sluice
