#include "gateway/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "metrics/log.h"

namespace sluice {
namespace {

constexpr int kBacklog = 4096;
// Per wake-up, so that a flood of connections does not keep the worker from those it has.
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};
constexpr std::chrono::seconds kQuietAfterWarning{10};

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
  throw std::system_error(errno, std::system_category(), "cannot listen on " + address.text() + " (" + call + ")");
}

void set_option(int descriptor, int level, int option) {
  const int on = 1;
  ::setsockopt(descriptor, level, option, &on, sizeof on);
}

// The first socket of an address is bound without SO_REUSEPORT, so that a second gateway (or anybody else of the same
// user) cannot slip in unnoticed and take half of the connections; the flag is set before it listens.
tls::Descriptor open_one(const config::Address& address, bool first) {
  tls::Descriptor descriptor(::socket(address.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (descriptor.get() < 0) fail(address, "socket");
  set_option(descriptor.get(), SOL_SOCKET, SO_REUSEADDR);
  if (address.v6) set_option(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  if (!first) set_option(descriptor.get(), SOL_SOCKET, SO_REUSEPORT);
  const SocketAddressStorage storage = to_storage(address);
  if (::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&storage.storage), storage.size) != 0) {
    fail(address, "bind");
  }
  set_option(descriptor.get(), SOL_SOCKET, SO_REUSEPORT);
  // Accepted sockets inherit these.
  set_option(descriptor.get(), IPPROTO_TCP, TCP_NODELAY);
  set_option(descriptor.get(), SOL_SOCKET, SO_KEEPALIVE);
  if (::listen(descriptor.get(), kBacklog) != 0) fail(address, "listen");
  return descriptor;
}

std::uint16_t port_of(int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &size);
  return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

// The peer's IP address as bytes and as text.
struct PeerAddress {
  std::uint8_t bytes[16] = {};
  bool v6 = false;
  std::string text;
};

PeerAddress peer_of(const sockaddr_storage& storage) {
  PeerAddress peer;
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET6) {
    peer.v6 = true;
    const in6_addr& address = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
    std::memcpy(peer.bytes, &address, 16);
    ::inet_ntop(AF_INET6, &address, text, sizeof text);
  } else {
    const in_addr& address = reinterpret_cast<const sockaddr_in&>(storage).sin_addr;
    std::memcpy(peer.bytes, &address, 4);
    ::inet_ntop(AF_INET, &address, text, sizeof text);
  }
  peer.text = text;
  return peer;
}

// A connection's place within the limits, and its count in the worker's gauge.
struct Slot final : tls::Stream::Attachment {
  Slot(ConnectionLimits::Place taken, metrics::Gauge& gauge) : place(std::move(taken)), open(gauge) {}
  ConnectionLimits::Place place;
  metrics::GaugeHold open;
};

}  // namespace

ListeningSockets open_listening_sockets(const config::Address& address, unsigned count) {
  ListeningSockets listening;
  listening.address = address;
  for (unsigned i = 0; i < count; ++i) {
    listening.sockets.push_back(open_one(listening.address, i == 0));
    if (i == 0) listening.address.port = port_of(listening.sockets[0].get());
  }
  return listening;
}

Listener::Listener(proxy::Services& services, sessions::SessionSet& sessions, ConnectionLimits& limits,
                   const config::Listener& config, std::unique_ptr<tls::ServerContext> tls_context, tls::Descriptor socket)
    : services_(services),
      sessions_(sessions),
      limits_(limits),
      config_(config),
      tls_context_(std::move(tls_context)),
      socket_(std::move(socket)),
      resume_(services.io.wheel, [](void* self) { static_cast<Listener*>(self)->resume(); }, this) {}

// Level-triggered: what one turn leaves in the queue is told of again.
void Listener::start() {
  if (const ErrorCode error = services_.io.loop.add(socket_.get(), EPOLLIN, *this)) throw std::system_error(error, "epoll_ctl");
}

void Listener::resume() { services_.io.loop.change(socket_.get(), EPOLLIN, *this); }

void Listener::on_events(std::uint32_t) {
  try {
    if (!accept_some(kAcceptsPerTurn)) pause();
  } catch (const std::exception& failure) {  // memory ran out: whoever was to be accepted is gone, the listener stays
    metrics::log().error("listener {}: {}", config_.name, failure.what());
    pause();
  }
}

void Listener::pause() {
  services_.io.metrics.accept_paused.add();
  services_.io.loop.change(socket_.get(), 0, *this);
  resume_.set_after(kPauseWithoutDescriptors);
  if (Clock::now() < quiet_until_) return;
  quiet_until_ = Clock::now() + kQuietAfterWarning;
  metrics::log().warn("listener {}: no descriptors left, accepting pauses for {} ms; raise the limit of open files or lower "
                      "limits.max_connections",
                      config_.name, kPauseWithoutDescriptors.count());
}

bool Listener::accept_some(int most) {
  for (int i = 0; i < most; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int descriptor =
        ::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor >= 0) {
      serve(descriptor, peer);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return false;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    // Anything else concerns the connection that was to be accepted (it is gone already).
  }
  return true;
}

void Listener::serve(int descriptor, const sockaddr_storage& peer) {
  tls::Descriptor socket(descriptor);
  metrics::ConnectionMetrics& metrics = services_.io.metrics;
  metrics.accepted.add();
  const PeerAddress address = peer_of(peer);
  const bool trusted = std::any_of(config_.trusted_proxies.begin(), config_.trusted_proxies.end(),
                                   [&](const config::Cidr& block) { return block.contains(address.bytes, address.v6); });
  // A trusted proxy speaks for many clients, so the limit for one does not hold for it.
  std::optional<ClientKey> client;
  if (!trusted) client = ClientKey::of(address.bytes, address.v6);
  ConnectionLimits::Place place;
  if (!admit(client, place)) return;
  sessions::Accepted accepted{std::move(socket), &config_, tls_context_.get(), address.text, trusted,
                              std::make_unique<Slot>(std::move(place), metrics.open)};
  services_.io.loop.spawn(sessions::serve_connection(services_, sessions_, std::move(accepted)));
}

bool Listener::admit(const std::optional<ClientKey>& client, ConnectionLimits::Place& place) {
  switch (limits_.admit(client, place)) {
    case ConnectionLimits::Verdict::admitted: return true;
    case ConnectionLimits::Verdict::max_connections: services_.io.metrics.refused_limit.add(); break;
    case ConnectionLimits::Verdict::max_connections_per_client: services_.io.metrics.refused_client.add(); break;
  }
  return false;
}

void Listener::close() {
  if (!socket_) return;
  resume_.clear();
  accept_some(kBacklog);
  services_.io.loop.forget(*this);
  socket_.close();
}

}  // namespace sluice
