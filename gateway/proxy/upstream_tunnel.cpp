// The way of a handshake to its connection: a WebSocket is a stream of an HTTP/2 connection that takes it (RFC 8441), else it has a
// connection of HTTP/1.1. Which it is the backend's first SETTINGS tell.
#include "gateway/proxy/upstream_exchange.h"

namespace sluice::proxy {
namespace {

using upstream::Retryable;

Failure not_settled(ErrorCode error, const Http2Link& link) {
  Failure failure = upstream::failure_of_connect(error);
  if (failure.code == FailureCode::reset && !link.doubt().empty()) failure.detail = link.doubt();
  return failure;
}

// By one handshake, which others were faster to fill.
constexpr unsigned kMostOpened = 3;

}  // namespace

Awaitable<Failure> UpstreamExchange::open_for_tunnel() {
  upstream::Picked& picked = backend_.picked();
  config::OptionalDuration time = client_.generation->config().timeouts.connect;
  for (unsigned opened = 1;; ++opened) {
    Failure failure = co_await backend_.open(time, cancellation_);
    const bool decided = !picked.shared || backend_.was_shared();  // its own, or one that is known to take it
    if (failure.code != FailureCode::none || decided) co_return failure;
    const auto link = std::static_pointer_cast<Http2Link>(picked.shared);
    const ErrorCode error = co_await link->wait_settings(cancellation_);
    if (error) co_return not_settled(error, *link);
    const bool takes_tunnels = *link->takes_tunnels();
    if (takes_tunnels && link->has_room(true)) co_return Failure{};
    if (opened == kMostOpened || (takes_tunnels && link->capacity() == 0)) {
      co_return Failure{FailureCode::stream_refused, Retryable::untouched, "the endpoint allows no streams"};
    }
    if (!takes_tunnels) cluster_.heard_no_tunnels(endpoint());
    failure = cluster_.pick_again(picked, {.fresh = true, .tunnel = true, .opening = link->opening()});
    if (failure.code != FailureCode::none) co_return failure;
    time = picked.time.left();  // without that for which it has waited before
  }
}

// Where HTTP/1.1 is only spoken because WebSockets are not taken over HTTP/2, an endpoint that does not know it is as it should be.
Failure UpstreamExchange::explain(Failure failure) const {
  if (!route_.websocket || !backend_.picked().http1 || !cluster_.may_speak_h2() || client_problem_) return failure;
  const bool unagreed = backend_.is_unagreed() && (failure.code == FailureCode::reset || failure.code == FailureCode::bad_response);
  if (!failure.no_protocol && !unagreed) return failure;
  failure.code = FailureCode::bad_upgrade;
  if (failure.no_protocol) failure.retryable = Retryable::always;
  failure.detail = "the endpoint takes no WebSockets over HTTP/2 (RFC 8441), and HTTP/1.1 failed: " + failure.detail;
  return failure;
}

// RFC 9113 7: what the endpoint wants over HTTP/1.1 it has not done over HTTP/2.
Failure UpstreamExchange::wants_http1() {
  cluster_.takes_no_tunnels(endpoint());
  if (cluster_.has_no_way_for_tunnels(endpoint())) return upstream::Cluster::no_way_for_tunnels();
  return {FailureCode::stream_refused, Retryable::always, "the endpoint wants the WebSocket over HTTP/1.1"};
}

}  // namespace sluice::proxy
