// The way from an endpoint that was picked to a connection: one for itself, or one to share (HTTP/2), which others may be opening.
#include "tls/client_sessions.h"
#include "upstream/cluster.h"

namespace sluice::upstream {

// What is said on a connection holds for all that come after it.
bool Cluster::refuses_tunnels(std::size_t endpoint) noexcept {
  if (pools_[endpoint]->takes_tunnels() == false) takes_no_tunnels(endpoint);
  return Clock::now() < endpoints_[endpoint].no_tunnels_until;
}

// Without TLS there is nothing to agree by: it speaks HTTP/2 and nothing else.
bool Cluster::has_no_way_for_tunnels(std::size_t endpoint) noexcept {
  const bool h2_alone = settings_.protocol == config::UpstreamProtocol::h2 && !endpoints_[endpoint].settings.https;
  return h2_alone && refuses_tunnels(endpoint);
}

Failure Cluster::no_way_for_tunnels() {
  return {FailureCode::bad_upgrade, Retryable::always,
          "the endpoint takes no WebSockets over HTTP/2 (RFC 8441), and HTTP/1.1 is ruled out by protocol: h2 without TLS"};
}

// Whether a connection that is opened for it is worth waiting for by others. WebSockets that come at once are to have one even where
// nobody knows yet what the endpoint speaks.
bool Cluster::may_be_shared(const Picked& picked) const noexcept {
  const Endpoint& endpoint = *picked.endpoint;
  return !picked.http1 && picked.connection.opening.empty() && (endpoint.speaks_h2 || (picked.tunnel && !endpoint.agreed));
}

SharedNeed Cluster::shared_need(const Picked& picked, std::string_view opening) const noexcept {
  return {opening, picked.tunnel ? config::OptionalCount(settings_.tunnels_per_connection) : std::nullopt};
}

bool Cluster::take_connection_place(Picked& picked) {
  const std::shared_ptr<EndpointState>& state = picked.endpoint->state;
  Place& place = picked.connection.place;
  place = Place::take(std::shared_ptr<Place::Count>(state, &state->connections), settings_.circuit_breaker.max_connections);
  if (!place) place = pools_[picked.index]->take_place();
  if (place) return true;
  const bool kept_elsewhere = state->idle.load(std::memory_order_relaxed) > 0;
  if (kept_elsewhere && room_wanted_ && !state->room_asked.exchange(true)) room_wanted_(state);
  return false;
}

Awaitable<Failure> Cluster::connect(Picked& picked, config::OptionalDuration connect_timeout, tls::Cancellation& cancellation) {
  if (picked.waits) {
    Failure failure = co_await wait_shared(picked, connect_timeout, cancellation);
    if (picked.shared || failure.code != FailureCode::none) {
      picked.pending.give_back();
      co_return failure;
    }
  }
  std::optional<ConnectionPool::Opening> opening;
  if (may_be_shared(picked)) opening.emplace(*pools_[picked.index]);
  picked.time = ConnectTime(connect_timeout);
  co_return co_await open(picked, connect_timeout, cancellation);
}

// Leaves one to share, or a place to open another. What is learned meanwhile may change what is wanted.
Awaitable<Failure> Cluster::wait_shared(Picked& picked, config::OptionalDuration most, tls::Cancellation& cancellation) {
  ConnectionPool& pool = *pools_[picked.index];
  tls::WaitQueue::Bound bound(io_.wheel, most, cancellation);
  const SharedNeed need = shared_need(picked, {});
  do {
    co_await pool.wait(bound);
    if (picked.tunnel && has_no_way_for_tunnels(picked.index)) co_return no_way_for_tunnels();
    picked.http1 = picked.http1 || (picked.tunnel && refuses_tunnels(picked.index));
    if (!picked.http1) picked.shared = pool.find_shared(need);
  } while (!picked.shared && !bound.stopped() && may_be_shared(picked) && pool.is_worth_waiting(need));
  if (picked.shared) co_return Failure{};
  if (bound.stopped()) co_return failure_of_connect(bound.stopped());
  if (take_connection_place(picked)) co_return Failure{};
  metrics_.count_full(static_cast<std::size_t>(Bound::connections));
  co_return full(Bound::connections);
}

Awaitable<Failure> Cluster::open(Picked& picked, config::OptionalDuration connect_timeout, tls::Cancellation& cancellation) {
  metrics_.pool_misses.add();
  Connection& connection = picked.connection;
  const Clock::time_point start = Clock::now();
  Result<tls::StreamPtr> stream =
      co_await upstream::connect(io_, *picked.endpoint, tls_context_.get(), connect_timeout, cancellation, connection.opening,
                                 offered(picked));
  if (!stream) {
    picked.pending.give_back();
    connection.place.give_back();
    co_return std::move(stream.failure());
  }
  connection.created = Clock::now();
  metrics_.connect_seconds.observe(std::chrono::duration<double>(connection.created - start).count());
  connection.stream = std::move(*stream);
  if (connection.stream->is_tls()) metrics_.count_handshake(tls::was_resumed(connection.stream->ssl()));
  connection.open = metrics::GaugeHold(metrics_.connections_open);
  Failure failure = agree(picked);
  if (!picked.tunnel || !connection.h2) picked.pending.give_back();
  co_return failure;
}

tls::OfferedProtocols Cluster::offered(const Picked& picked) const noexcept {
  if (picked.http1) return tls::OfferedProtocols::http_1_1;
  return settings_.protocol == config::UpstreamProtocol::h2 ? tls::OfferedProtocols::h2 : tls::OfferedProtocols::h2_and_http_1_1;
}

// What an open connection speaks.
Failure Cluster::agree(Picked& picked) const {
  Connection& connection = picked.connection;
  const bool always = settings_.protocol == config::UpstreamProtocol::h2;
  if (picked.http1) return {};
  connection.h2 = connection.stream->is_tls() ? connection.stream->alpn() == "h2" : always;
  picked.endpoint->speaks_h2 = connection.h2 || always;
  picked.endpoint->agreed = true;
  if (connection.h2 || !always) return {};
  connection.stream.reset();
  connection = {};
  return {FailureCode::tls_failed, Retryable::no, "the endpoint did not agree on h2 (ALPN), which protocol: h2 of the upstream asks for"};
}

}  // namespace sluice::upstream
