#include "gateway/proxy/admit_upgrade.h"

#include <limits>

#include "gateway/proxy/reply.h"

namespace sluice::proxy {
namespace {

using metrics::Observed;
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

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

// Takes a place among the client's tunnels; false: there is none left.
bool take_of_client(const RouteContext& route, const ClientKey& client, std::uint64_t limit, std::optional<ClientPlace>& place) {
  const std::shared_ptr<ClientCounts>& counts = route.services->counts.of_client;
  if (!counts->take(client, limit)) return false;
  place.emplace(counts, client);
  return true;
}

// The same among the route's.
bool take_of_route(const RouteContext& route, std::uint64_t limit) {
  TunnelCount& open = *route.services->counts.open;
  const auto before = static_cast<std::uint64_t>(open.fetch_add(1, std::memory_order_relaxed));
  if (before < limit) return true;
  open.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void observe(ClientExchange& exchange, const RouteContext& route, Observed limit) {
  route.services->websocket.count_observed(limit);
  if (exchange.record.observed.empty()) exchange.record.observed = name_of(limit);
}

std::optional<TunnelPlace> refuse(ClientExchange& exchange, const RouteContext& route, const Refused& refused) {
  route.services->websocket.count_upgrade(refused.result);
  send_reply(exchange, refused.reply);
  return std::nullopt;
}

}  // namespace

std::optional<TunnelPlace> admit_upgrade(ClientExchange& exchange, const RouteContext& route) {
  const RouteCounts& counts = route.services->counts;
  const config::WebSocketRules& rules = route.route->websocket;
  if (route.observed_origin) observe(exchange, route, Observed::origins);
  std::optional<ClientKey> client;  // none: it came over a unix socket, and nobody told of an address
  if (counts.handshakes || counts.of_client) client = ClientKey::parse(route.origin.client_ip);
  if (counts.handshakes && client) {
    const std::optional<Refused> refused = check_rate(route, *client);
    if (refused && !rules.observe) return refuse(exchange, route, *refused);
    if (refused) observe(exchange, route, Observed::handshake_rate);
  }
  std::optional<ClientPlace> of_client;
  if (counts.of_client && client && !take_of_client(route, *client, *rules.max_tunnels_per_client, of_client)) {
    if (!rules.observe) {
      return refuse(exchange, route, {reply_for(Refusal::too_many_tunnels_of_client), UpgradeResult::rejected_client_limit});
    }
    observe(exchange, route, Observed::max_tunnels_per_client);
    take_of_client(route, *client, kNoLimit, of_client);
  }
  if (!take_of_route(route, rules.max_tunnels.value_or(kNoLimit))) {
    if (!rules.observe) return refuse(exchange, route, {reply_for(Refusal::too_many_tunnels), UpgradeResult::rejected_limit});
    observe(exchange, route, Observed::max_tunnels);
    take_of_route(route, kNoLimit);
  }
  return TunnelPlace(counts.open, std::move(of_client));
}

}  // namespace sluice::proxy
