// One worker's part of a listener at one socket: accepts connections and starts their sessions. Its worker's thread.
// Every worker has a socket of its own (SO_REUSEPORT): the kernel spreads new connections, and no lock is shared. A
// unix socket is the exception (see SharedSocket): the first worker accepts and posts the connections to the others.
#pragma once

#include "gateway/connection_limits.h"
#include "gateway/listening_sockets.h"
#include "gateway/sessions/serve_connection.h"
#include "metrics/connection_metrics.h"

namespace sluice {

class Listener final : private tls::EventSource {
 public:
  // What it listens at. A socket of a shared one is listened to once every worker has its part.
  struct Socket {
    unsigned id;                           // of the listener: all parts have the same, for as long as its address is kept
    tls::Descriptor descriptor;            // none: another worker accepts for this one
    std::shared_ptr<SharedSocket> shared;  // of a unix socket
    unsigned worker;                       // whose part this is
  };
  // `tls_context` null: plain.
  Listener(proxy::Services& services, sessions::SessionSet& sessions, ConnectionLimits& limits,
           std::shared_ptr<const config::Listener> config, std::shared_ptr<const tls::ServerContext> tls_context,
           Socket socket);

  unsigned id() const noexcept { return socket_.id; }
  // Begins to accept; once. Throws std::system_error; it may be tried again.
  void start();
  // Tries again by itself, for as long as it takes.
  void start_later();
  bool closed() const noexcept { return closed_; }
  // Connections that are accepted from now on get these.
  void renew(std::shared_ptr<const config::Listener> config) { config_ = std::move(config); }
  void renew_tls(std::shared_ptr<const tls::ServerContext> tls_context) { tls_context_ = std::move(tls_context); }
  // Accepts what is queued already, since closing the socket would reset it, then closes. `successor`: another process
  // accepts at the same socket, and a unix socket's file stays for it.
  void close(bool successor = false);
  // Another process accepts at the same socket from now on, but may end: the socket is kept, and whoever comes is left
  // to the other.
  void hold();
  bool held() const noexcept { return held_; }
  // The other one has ended: who waits is served here.
  void take_back();

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
  void hand_over(Listener* to, Admitted admitted);
  void serve(Admitted admitted);
  // A place for the connection; false: it met a limit.
  bool admit(const std::optional<proxy::ClientKey>& client, ConnectionLimits::Place& place);
  void pause();

  proxy::Services& services_;
  sessions::SessionSet& sessions_;
  ConnectionLimits& limits_;
  std::shared_ptr<const config::Listener> config_;
  std::shared_ptr<const tls::ServerContext> tls_context_;
  Socket socket_;
  bool started_ = false;
  bool held_ = false;
  bool closed_ = false;
  tls::Deadline resume_;
  Clock::time_point quiet_until_{};  // no further warning about descriptors
};

}  // namespace sluice
