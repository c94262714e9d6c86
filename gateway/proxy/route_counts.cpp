#include "gateway/proxy/route_counts.h"

namespace sluice::proxy {

void RouteCounts::make_for(const config::WebSocketRules& rules) {
  if (!open) open = std::make_shared<TunnelCount>(0);
  if (!of_client && rules.max_tunnels_per_client) of_client = std::make_shared<ClientCounts>();
  if (!handshakes && rules.handshake_rate) handshakes = std::make_shared<ClientRates>();
}

RouteCounts RouteCounts::used_by(const config::WebSocketRules& rules) const {
  return {open, rules.max_tunnels_per_client ? of_client : nullptr, rules.handshake_rate ? handshakes : nullptr};
}

}  // namespace sluice::proxy
