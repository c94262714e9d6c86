#include "gateway/sessions/read_proxy_header.h"

#include "config/address.h"
#include "gateway/sessions/proxy_header.h"
#include "metrics/log.h"
#include "tls/stream_error.h"

namespace sluice::sessions {
namespace {

using State = ProxyHeader::State;

// Looks at the beginning of the connection without taking it, until it is known what it is. `incomplete`: the peer has left.
Awaitable<ProxyHeader> await_header(proxy::Services& services, tls::Stream& stream) {
  for (;;) {
    const tls::ReadResult seen = stream.peek(services.io.scratch(), ProxyHeader::kMaxSize);
    if (seen.error && seen.error != tls::StreamError::would_block) co_return ProxyHeader{};
    const ProxyHeader header = parse_proxy_header({services.io.scratch(), seen.size});
    if (header.state != State::incomplete) co_return header;
    if (!co_await stream.wait_for_more()) co_return ProxyHeader{};
  }
}

// Takes what was looked at. False: the peer has left.
Awaitable<bool> skip(proxy::Services& services, tls::Stream& stream, std::size_t left) {
  while (left > 0) {
    const tls::ReadResult read = stream.read_some(services.io.scratch(), left);
    left -= read.size;
    if (read.error && read.error != tls::StreamError::would_block) co_return false;
    if (read.error) co_await stream.wait_readable();
  }
  co_return true;
}

void refuse(proxy::Services& services, const proxy::ConnectionInfo& info, metrics::Counter& reason, const char* what) {
  reason.add();
  if (!services.log_limit.admit("proxy_header")) return;
  metrics::log().warn("listener {}: a connection of {} was closed: {}", info.listener->name, info.peer_address, what);
}

// False: the client has too many connections.
bool take_over(const ProxyHeader& header, proxy::ConnectionInfo& info, ConnectionPlace& place) {
  if (!header.client) {
    // Bytes of somebody whom the peer does not know: what they say of a client is not the peer's word.
    if (!header.local) info.peer_trusted = false;
    return true;
  }
  const ProxyHeader::Client& client = *header.client;
  info.peer_address = config::ip_text(client.bytes, client.v6);
  info.peer_port = client.port;
  info.peer_trusted = config::trusts(*info.listener, client.bytes, client.v6);
  return info.peer_trusted || place.count_for(client.bytes, client.v6);
}

}  // namespace

Awaitable<bool> read_proxy_header(proxy::Services& services, SessionSet& sessions, tls::Stream& stream,
                                  proxy::ConnectionInfo& info, ConnectionPlace& place) {
  metrics::ConnectionMetrics& metrics = services.io.metrics;
  const config::Timeouts& timeouts = services.generation->config().timeouts;
  tls::Deadline deadline(
      services.io.wheel, [](void* context) { static_cast<tls::Stream*>(context)->abort(tls::StreamError::timed_out); },
      &stream);
  const auto hurry = [](void* context) { static_cast<tls::Deadline*>(context)->set_after(kFirstRequestWhileDraining); };
  const SessionEntry entry(sessions, stream, hurry, &deadline);
  deadline.set_after(info.listener->tls ? timeouts.tls_handshake : timeouts.request_head);
  if (services.draining) deadline.set_after(kFirstRequestWhileDraining);
  const Clock::time_point start = Clock::now();
  const ProxyHeader header = co_await await_header(services, stream);
  if (header.state == State::incomplete) {
    if (stream.error() == tls::StreamError::timed_out) metrics.timeout_proxy_header.add();
    co_return false;
  }
  info.opening_took = std::chrono::duration_cast<config::Duration>(Clock::now() - start);
  if (header.state == State::malformed) {
    refuse(services, info, metrics.proxy_header_malformed, "its PROXY header is malformed");
    co_return false;
  }
  if (header.state == State::absent) {
    if (info.listener->proxy_protocol != config::ProxyProtocol::require) co_return true;
    refuse(services, info, metrics.proxy_header_missing, "it began without a PROXY header, which proxy_protocol: require asks for");
    co_return false;
  }
  if (!co_await skip(services, stream, header.size)) co_return false;
  if (take_over(header, info, place)) co_return true;
  metrics.refused_client.add();
  co_return false;
}

}  // namespace sluice::sessions
