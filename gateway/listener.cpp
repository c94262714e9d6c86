#include "gateway/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <system_error>
#include <utility>

#include "config/address.h"
#include "gateway/http/forwarded.h"
#include "metrics/log.h"

namespace sluice {
namespace {

// Per wake-up, so that a flood of connections does not keep the worker from those it has.
constexpr int kAcceptsPerTurn = 16;
constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};
constexpr std::chrono::seconds kQuietAfterWarning{10};

// The peer's IP address as bytes and as text; of a unix socket's peer the text alone.
struct PeerAddress {
  std::uint8_t bytes[16] = {};
  std::uint16_t port = 0;
  bool v6 = false;
  bool is_unix = false;
  std::string text;
};

PeerAddress peer_of(const sockaddr_storage& storage) {
  PeerAddress peer;
  if (storage.ss_family == AF_UNIX) {
    peer.is_unix = true;
    peer.text = http::kUnixPeer;
    return peer;
  }
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET6) {
    const in6_addr& address = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
    peer.port = ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
    // A service manager's socket may be for both families: who comes by IPv4 is known by that address all the same.
    peer.v6 = !config::is_mapped_v4(address.s6_addr);
    std::memcpy(peer.bytes, peer.v6 ? address.s6_addr : address.s6_addr + 12, peer.v6 ? 16 : 4);
    ::inet_ntop(peer.v6 ? AF_INET6 : AF_INET, peer.bytes, text, sizeof text);
  } else {
    const in_addr& address = reinterpret_cast<const sockaddr_in&>(storage).sin_addr;
    peer.port = ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
    std::memcpy(peer.bytes, &address, 4);
    ::inet_ntop(AF_INET, &address, text, sizeof text);
  }
  peer.text = text;
  return peer;
}

bool is_trusted(const PeerAddress& peer, const config::Listener& listener) {
  return peer.is_unix ? listener.trusts_unix : config::trusts(listener, peer.bytes, peer.v6);
}

// A connection's place within the limits, and its count in the worker's gauge.
struct Slot final : sessions::ConnectionPlace {
  Slot(ConnectionLimits::Place taken, metrics::Gauge& gauge) : place(std::move(taken)), open(gauge) {}
  bool count_for(const std::uint8_t* address, bool v6) override { return place.count_for(proxy::ClientKey::of(address, v6)); }
  ConnectionLimits::Place place;
  metrics::GaugeHold open;
};

}  // namespace

Listener::Listener(proxy::Services& services, sessions::SessionSet& sessions, ConnectionLimits& limits,
                   std::shared_ptr<const config::Listener> config, std::shared_ptr<const tls::ServerContext> tls_context,
                   Socket socket)
    : services_(services),
      sessions_(sessions),
      limits_(limits),
      config_(std::move(config)),
      tls_context_(std::move(tls_context)),
      socket_(std::move(socket)),
      resume_(services.io.wheel, [](void* self) { static_cast<Listener*>(self)->resume(); }, this) {
  if (socket_.shared) socket_.shared->listeners[socket_.worker] = this;
}

// Level-triggered: what one turn leaves in the queue is told of again.
void Listener::start() {
  if (started_ || held_ || closed_ || !socket_.descriptor) return;
  const ErrorCode error = services_.io.loop.add(socket_.descriptor.get(), EPOLLIN, *this);
  if (error) throw std::system_error(error, "cannot accept at " + config_->address.text() + " (epoll_ctl)");
  started_ = true;
}

void Listener::start_later() { resume_.set_after(kPauseWithoutDescriptors); }

void Listener::resume() {
  if (!started_) {
    try {
      start();
      metrics::log().info("listener {}: accepts by now", config_->name);
    } catch (const std::exception&) {  // was told of at the first attempt
      start_later();
    }
    return;
  }
  if (services_.io.loop.change(socket_.descriptor.get(), EPOLLIN, *this)) resume_.set_after(kPauseWithoutDescriptors);  // never stays deaf
}

void Listener::on_events(std::uint32_t) {
  try {
    if (!accept_some(kAcceptsPerTurn)) pause();
  } catch (const std::exception& failure) {  // memory ran out: whoever was to be accepted is gone, the listener stays
    metrics::log().error("listener {}: {}", config_->name, failure.what());
    pause();
  }
}

void Listener::pause() {
  services_.io.metrics.accept_paused.add();
  services_.io.loop.change(socket_.descriptor.get(), 0, *this);
  resume_.set_after(kPauseWithoutDescriptors);
  if (Clock::now() < quiet_until_) return;
  quiet_until_ = Clock::now() + kQuietAfterWarning;
  metrics::log().warn("listener {}: no descriptors left, accepting pauses for {} ms; raise the limit of open files or lower "
                      "limits.max_connections",
                      config_->name, kPauseWithoutDescriptors.count());
}

bool Listener::accept_some(int most) {
  for (int i = 0; i < most; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int descriptor =
        ::accept4(socket_.descriptor.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor >= 0) {
      accepted(tls::Descriptor(descriptor), peer);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return false;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    // Anything else concerns the connection that was to be accepted (it is gone already).
  }
  return true;
}

void Listener::accepted(tls::Descriptor socket, const sockaddr_storage& peer) {
  const PeerAddress address = peer_of(peer);
  Admitted admitted{std::move(socket), address.text, address.port, is_trusted(address, *config_), {}};
  if (!admitted.peer_trusted && config_->proxy_protocol == config::ProxyProtocol::require) return refuse_untrusted(address.text);
  // A trusted proxy speaks for many clients, so the limit for one does not hold for it. A unix socket's peers have no
  // address.
  std::optional<proxy::ClientKey> client;
  if (!admitted.peer_trusted && !address.is_unix) client = proxy::ClientKey::of(address.bytes, address.v6);
  if (!admit(client, admitted.place)) {
    services_.io.metrics.accepted.add();
    return;
  }
  if (!socket_.shared) return serve(std::move(admitted));
  SharedSocket& shared = *socket_.shared;
  hand_over(shared.listeners[shared.next++ % shared.listeners.size()], std::move(admitted));
}

// Whatever it says of a client would not be believed, so nothing of it is read.
void Listener::refuse_untrusted(const std::string& peer) {
  services_.io.metrics.accepted.add();
  services_.io.metrics.proxy_header_untrusted.add();
  if (!services_.log_limit.admit("proxy_header")) return;
  metrics::log().warn("listener {}: a connection of {} was closed: proxy_protocol: require serves trusted_proxies alone",
                      config_->name, peer);
}

// A worker whose memory ran out during a reload may lack its part.
void Listener::hand_over(Listener* to, Admitted admitted) {
  if (to == this || to == nullptr) return serve(std::move(admitted));
  Listener& listener = *to;
  // The task owns the connection: should the other worker have ended, it is closed.
  auto handed = std::make_shared<Admitted>(std::move(admitted));
  listener.services_.io.loop.post([&listener, handed] { listener.serve(std::move(*handed)); });
}

void Listener::serve(Admitted admitted) {
  metrics::ConnectionMetrics& metrics = services_.io.metrics;
  metrics.accepted.add();
  sessions::Accepted accepted{std::move(admitted.socket),
                              config_,
                              tls_context_,
                              std::move(admitted.peer_address),
                              admitted.peer_port,
                              admitted.peer_trusted,
                              std::make_unique<Slot>(std::move(admitted.place), metrics.open)};
  services_.io.loop.spawn(sessions::serve_connection(services_, sessions_, std::move(accepted)));
}

bool Listener::admit(const std::optional<proxy::ClientKey>& client, ConnectionLimits::Place& place) {
  switch (limits_.admit(client, place)) {
    case ConnectionLimits::Verdict::admitted: return true;
    case ConnectionLimits::Verdict::max_connections: services_.io.metrics.refused_limit.add(); break;
    case ConnectionLimits::Verdict::max_connections_per_client: services_.io.metrics.refused_client.add(); break;
  }
  return false;
}

void Listener::close(bool successor) {
  if (std::exchange(closed_, true) || !socket_.descriptor) return;
  const bool held = std::exchange(held_, false);
  successor = successor || held;
  resume_.clear();
  // The file goes first, so that nobody comes to a socket that is about to close. Who is here already is served here:
  // the other workers are closing too.
  if (socket_.shared) successor ? socket_.shared->file.release() : socket_.shared->file.remove();
  socket_.shared.reset();
  if (!held) {
    accept_some(kBacklog);
    services_.io.loop.remove(socket_.descriptor.get(), *this);  // another process may have it, too
  }
  socket_.descriptor.close();
}

void Listener::hold() {
  if (closed_ || held_ || !socket_.descriptor) return;
  resume_.clear();
  services_.io.loop.remove(socket_.descriptor.get(), *this);
  held_ = true;
  started_ = false;
}

void Listener::take_back() {
  if (!std::exchange(held_, false)) return;
  try {
    start();
  } catch (const std::exception& error) {
    metrics::log().error("{}; it is tried again", error.what());
    start_later();
  }
}

}  // namespace sluice
