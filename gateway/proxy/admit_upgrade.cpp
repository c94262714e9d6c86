#include "gateway/proxy/admit_upgrade.h"

#include "gateway/proxy/reply.h"

namespace sluice::proxy {
namespace {

using metrics::UpgradeResult;

struct Refused {
  Reply reply;
  UpgradeResult result;
};

std::optional<Refused> check_rate(const RouteContext& route, const ClientKey& client) {
  ClientRates& rates = *route.services->counts.handshakes;
  const std::optional<Clock::duration> wait = rates.take(client, *route.route->websocket.handshake_rate, Clock::now());
  if (!wait) return std::nullopt;
  Reply reply = reply_for(Refusal::too_many_handshakes);
  reply.retry_after = std::chrono::ceil<std::chrono::seconds>(*wait);
  return Refused{reply, UpgradeResult::rejected_rate};
}

// Takes a place among the client's tunnels; false: there is none left.
bool take_of_client(const RouteContext& route, const ClientKey& client, std::optional<ClientPlace>& place) {
  const std::shared_ptr<ClientCounts>& counts = route.services->counts.of_client;
  if (!counts->take(client, *route.route->websocket.max_tunnels_per_client)) return false;
  place.emplace(counts, client);
  return true;
}

// The same among the route's.
bool take_of_route(const RouteContext& route) {
  TunnelCount& open = *route.services->counts.open;
  const config::OptionalCount limit = route.route->websocket.max_tunnels;
  const std::int64_t before = open.fetch_add(1, std::memory_order_relaxed);
  if (!limit || before < static_cast<std::int64_t>(*limit)) return true;
  open.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

std::optional<TunnelPlace> refuse(ClientExchange& exchange, const RouteContext& route, const Refused& refused) {
  route.services->websocket.count_upgrade(refused.result);
  send_reply(exchange, refused.reply);
  return std::nullopt;
}

}  // namespace

std::optional<TunnelPlace> admit_upgrade(ClientExchange& exchange, const RouteContext& route) {
  const RouteCounts& counts = route.services->counts;
  std::optional<ClientKey> client;  // none: it came over a unix socket, and nobody told of an address
  if (counts.handshakes || counts.of_client) client = ClientKey::parse(route.origin.client_ip);
  if (counts.handshakes && client) {
    if (const std::optional<Refused> refused = check_rate(route, *client)) return refuse(exchange, route, *refused);
  }
  std::optional<ClientPlace> of_client;
  if (counts.of_client && client && !take_of_client(route, *client, of_client)) {
    const Refused refused{reply_for(Refusal::too_many_tunnels_of_client), UpgradeResult::rejected_client_limit};
    return refuse(exchange, route, refused);
  }
  if (!take_of_route(route)) {
    return refuse(exchange, route, {reply_for(Refusal::too_many_tunnels), UpgradeResult::rejected_limit});
  }
  return TunnelPlace(counts.open, std::move(of_client));
}

}  // namespace sluice::proxy
