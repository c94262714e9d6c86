#include "gateway/proxy/handle_request.h"

#include "gateway/http/cookies.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/decide.h"
#include "gateway/proxy/forward_headers.h"
#include "gateway/proxy/forward_request.h"
#include "gateway/proxy/forward_upgrade.h"
#include "gateway/proxy/hash_key.h"
#include "gateway/proxy/local_answer.h"
#include "gateway/proxy/split.h"

namespace sluice::proxy {
namespace {

// Everything between the head and the end of the response.
Awaitable<std::unique_ptr<websocket::Tunnel>> serve(ClientExchange& exchange, Services& services) {
  RouteContext route;
  const Decision decision = decide(exchange, *exchange.generation->snapshot, services.random(), route);
  route.services = &exchange.generation->route(exchange.record.route);
  if (decision.upgrade) route.services->websocket.count_upgrade(*decision.upgrade);
  if (decision.action != Action::forward) {
    answer_locally(exchange, decision, route, exchange.generation->https_port);
    co_return nullptr;
  }
  choose_upstream(exchange, services.random, route);
  const config::Upstream& upstream = route.cluster->settings();
  if (upstream.balance == config::Balance::hash) route.hash_key = hash_key(upstream.hash_on, exchange, route);
  if (route.sticky != nullptr) route.kept = route.sticky->find(exchange.request.headers, exchange.record.time);
  for (const RouteServices::Side& side : route.services->sides) {  // of a split, those of the other sides too
    if (side.sticky) http::remove_cookie(exchange.request.headers, side.sticky->name());
  }
  route.accepts_trailers = route.cluster->may_speak_h2() && exchange.request.headers.has_token("TE", "trailers");
  route.named = prepare_request_headers(exchange, route);
  if (route.websocket) co_return co_await forward_upgrade(exchange, services, route);
  co_await forward_request(exchange, services, route);
  co_return nullptr;
}

}  // namespace

Awaitable<std::unique_ptr<websocket::Tunnel>> handle_request(ClientExchange& exchange, Services& services) {
  std::unique_ptr<websocket::Tunnel> tunnel;
  std::exception_ptr exception;
  try {
    tunnel = co_await serve(exchange, services);
  } catch (...) {  // memory ran out; what was sent of a response cannot be finished
    exception = std::current_exception();
    if (!exchange.response_started()) exchange.record.status = 500;
    exchange.record.failure = reply_for(Refusal::internal_error).error;
    exchange.break_off();
  }
  finish_request(exchange, services);
  if (exception) std::rethrow_exception(exception);
  co_return tunnel;
}

}  // namespace sluice::proxy
