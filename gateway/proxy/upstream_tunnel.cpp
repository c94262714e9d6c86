// The way of a handshake to its connection: a WebSocket is a stream of an HTTP/2 connection that takes it (RFC 8441), else it has a
// connection of HTTP/1.1. Which it is the backend's first SETTINGS tell.
#include "gateway/proxy/upstream_exchange.h"
#include "tls/stream_error.h"

namespace sluice::proxy {
namespace {

using tls::StreamError;
using upstream::Retryable;

// By one handshake; on each of them there was no room for it.
constexpr unsigned kMostOpened = 3;

constexpr std::string_view kNoTunnels = "the endpoint takes no WebSockets over HTTP/2 (RFC 8441)";

}  // namespace

Awaitable<Failure> UpstreamExchange::open_for_tunnel() {
  unsigned opened = 0;
  for (;;) {
    if (picked_.http1 && cluster_.speaks_h2_alone(picked_.index)) {
      co_return Failure{FailureCode::bad_upgrade, Retryable::no,
                        std::string(kNoTunnels) + ", and HTTP/1.1 is ruled out by protocol: h2 without TLS"};
    }
    Failure failure = co_await open();
    if (failure.code != FailureCode::none || !picked_.shared) co_return failure;
    const auto link = std::static_pointer_cast<Http2Link>(picked_.shared);
    if (!link->takes_tunnels()) {
      const ErrorCode error = co_await link->wait_settings(client_.generation->config().timeouts.connect, cancellation_);
      if (error == StreamError::timed_out) link->retire();  // or it would be waited for again
      if (error) co_return upstream::failure_of_connect(error);
    }
    const bool takes_tunnels = *link->takes_tunnels();
    if (takes_tunnels && link->has_room()) co_return Failure{};
    if (!takes_tunnels) cluster_.takes_no_tunnels(picked_.index);
    if (takes_tunnels && !shared_ && ++opened == kMostOpened) {
      co_return Failure{FailureCode::stream_refused, Retryable::untouched, "the endpoint allows no streams"};
    }
    failure = cluster_.pick_again(picked_, {.fresh = true, .tunnel = true, .opening = link->opening()});
    if (failure.code != FailureCode::none) co_return failure;
  }
}

// Where HTTP/1.1 is only spoken because WebSockets are not taken over HTTP/2, an endpoint that does not know it is as it should be.
Failure UpstreamExchange::explain(Failure failure) const {
  if (!route_.websocket || !picked_.http1 || !cluster_.may_speak_h2() || client_problem_) return failure;
  const bool agreed = connection_.stream && connection_.stream->is_tls() && connection_.stream->alpn() == "http/1.1";
  const bool in_vain = failure.code == FailureCode::tls_failed || failure.code == FailureCode::reset ||
                       failure.code == FailureCode::bad_response;
  if (agreed || !in_vain) return failure;
  return {FailureCode::bad_upgrade, Retryable::no, std::string(kNoTunnels) + ", and HTTP/1.1 failed: " + failure.detail};
}

TunnelBackend UpstreamExchange::take_backend(config::OptionalDuration write_idle) {
  wire_ = nullptr;
  if (http2_) {
    http2::StreamPtr stream = http2_->take_stream();
    stream->set_write_idle(write_idle, nullptr);
    return {.seat = http2_->take_seat(), .stream = std::move(stream)};
  }
  connection_.stream->set_write_idle(write_idle);
  return {.place = std::move(connection_.place), .open = std::move(connection_.open), .stream = std::move(connection_.stream)};
}

}  // namespace sluice::proxy
