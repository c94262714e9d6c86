#include "gateway/proxy/forward_upgrade.h"

#include "gateway/proxy/admit_upgrade.h"
#include "gateway/proxy/forward_headers.h"
#include "gateway/proxy/forward_request.h"
#include "gateway/proxy/termination.h"
#include "gateway/proxy/tunnel_log.h"
#include "gateway/proxy/upstream_exchange.h"
#include "gateway/websocket/handshake_extensions.h"
#include "upstream/retry_policy.h"

namespace sluice::proxy {
namespace {

using metrics::UpgradeResult;

Failure check_switch(const ClientExchange& exchange, const http::ResponseHead& response) {
  const websocket::HandshakeError error = websocket::check_response(exchange.request, response);
  if (error == websocket::HandshakeError::none) return {};
  return {FailureCode::bad_upgrade, upstream::Retryable::no, std::string(websocket::name_of(error))};
}

// Where a 2xx opens the tunnel, none of a backend may pass that has not agreed to it.
Failure check_refusal(const ClientExchange& exchange, const http::ResponseHead& response) {
  if (!exchange.tunnel_by_status() || response.status / 100 != 2) return {};
  return {FailureCode::bad_upgrade, upstream::Retryable::no, std::to_string(response.status) + " in place of 101"};
}

ErrorCode send_switch(ClientExchange& exchange, RouteContext& route, http::ResponseHead& response,
                      const std::optional<Termination>& termination) {
  if (termination) termination->answer(response.headers);
  prepare_response_headers(exchange, route, response);
  exchange.record.status = exchange.tunnel_by_status() ? 200 : 101;
  return exchange.open_tunnel(response.headers);
}

std::unique_ptr<websocket::Tunnel> make_tunnel(ClientExchange& exchange, RouteContext& route,
                                               UpstreamExchange& attempt, TunnelPlace place,
                                               const std::optional<Termination>& termination) {
  upstream::Picked picked = attempt.take_picked();
  const bool endpoint_left = picked.endpoint_left();
  const http::Headers& agreed = attempt.response().headers;
  auto log = std::make_unique<TunnelLog>(exchange, agreed.find("Sec-WebSocket-Protocol").value_or(""), std::move(picked.in_flight),
                                         std::move(place));
  TunnelBackend backend = attempt.take_backend(exchange.generation->config().timeouts.client_write_idle);
  log->hold_backend(backend);
  const std::shared_ptr<upstream::EndpointState>& state = picked.endpoint->state;
  log->hold_count(upstream::Place::take({state, &state->tunnels}, std::nullopt));
  websocket::TunnelOpening opening{route.services->tunnel_rules, {}, state.get(), endpoint_left, log->identity()};
  if (termination) {
    opening.terminated = websocket::Terminated{termination->deflate()};
  } else {
    opening.reserved_bits = websocket::reserved_bits_of(agreed);
  }
  return std::make_unique<websocket::Tunnel>(exchange.take_stream(), std::move(backend.stream), std::move(opening),
                                             route.services->websocket, std::move(log));
}

// A handshake that was refused has done nothing.
bool may_repeat_handshake(const ClientExchange& exchange, const config::Retries& rules, upstream::AttemptFacts facts,
                          unsigned status) {
  facts.idempotent = true;
  facts.body_at_hand = exchange.request.body.kind == http::BodyKind::none;
  return upstream::may_repeat(rules, status, facts);
}

UpgradeResult result_of(const UpstreamExchange& attempt) {
  return attempt.client_problem() ? UpgradeResult::client_left : UpgradeResult::failed_upstream;
}

}  // namespace

Awaitable<std::unique_ptr<websocket::Tunnel>> forward_upgrade(ClientExchange& exchange, Services& services,
                                                              RouteContext& route) {
  metrics::WebSocketMetrics& metrics = route.services->websocket;
  exchange.close_after();  // bytes that follow the head were meant for a tunnel, whatever is answered
  std::optional<TunnelPlace> place = admit_upgrade(exchange, route);
  if (!place) co_return nullptr;
  const std::optional<Termination> termination = prepare_handshake(exchange.request.headers, route.route->websocket);
  HeldBody held(services.io);
  std::vector<std::size_t> tried;
  upstream::AttemptFacts facts;
  const config::Retries& retries = route.cluster->settings().retries;
  upstream::Result<upstream::Picked> picked = pick_endpoint(exchange, route, tried, true);
  if (!picked) {
    metrics.count_upgrade(UpgradeResult::failed_upstream);
    reply_to_no_endpoint(exchange, route, picked.failure());
    co_return nullptr;
  }
  for (facts.attempt = 1;; ++facts.attempt) {
    UpstreamExchange attempt(exchange, services, route, held);
    const auto pick_another = [&] { return pick_another_endpoint(exchange, route, tried, attempt, picked); };
    Failure failure = co_await attempt.begin(std::move(*picked), false);
    const bool answered = failure.code == FailureCode::none;
    const bool switched = answered && attempt.response().status == 101;
    if (answered) failure = switched ? check_switch(exchange, attempt.response()) : check_refusal(exchange, attempt.response());
    const bool refused = answered && !switched && failure.code == FailureCode::none;
    if (refused && may_repeat_handshake(exchange, retries, facts, attempt.response().status) &&
        pick_another()) {
      continue;
    }
    if (refused) {
      metrics.count_upgrade(UpgradeResult::refused_upstream);
      place.reset();  // whoever has the answer may try again at once
      failure = co_await attempt.relay_response();
      if (failure.code != FailureCode::none) {
        count_failure(route, &attempt, failure);
        reply_to_failure(exchange, &attempt, failure);
      }
      co_return nullptr;
    }
    if (switched && failure.code == FailureCode::none) {
      exchange.stop_watching();
      if (!send_switch(exchange, route, attempt.response(), termination)) {
        exchange.record.became_tunnel = true;
        metrics.count_upgrade(UpgradeResult::accepted);
        metrics.handshake_seconds.observe(std::chrono::duration<double>(Clock::now() - exchange.record.stages.begin).count());
        co_return make_tunnel(exchange, route, attempt, std::move(*place), termination);
      }
      attempt.client_left();
    }
    count_failure(route, &attempt, failure);
    facts.reused = facts.idempotent = attempt.reused();  // on a connection that was there before
    attempt.drop_connection();
    if (!attempt.client_problem() && upstream::may_retry(retries, failure, facts) && pick_another()) continue;
    metrics.count_upgrade(result_of(attempt));
    place.reset();
    reply_to_failure(exchange, &attempt, failure);
    co_return nullptr;
  }
}

}  // namespace sluice::proxy
