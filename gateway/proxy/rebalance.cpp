#include "gateway/proxy/rebalance.h"

#include <unordered_map>

#include "config/value_text.h"
#include "gateway/websocket/tunnel.h"
#include "metrics/log.h"
#include "upstream/rebalance.h"

namespace sluice::proxy {

void rebalance(const upstream::Cluster& cluster, websocket::TunnelSet& tunnels, std::mt19937_64& random) {
  const std::optional<config::Rebalance>& settings = cluster.settings().rebalance;
  const std::vector<double> parts = upstream::parts_in_excess(cluster.endpoints());
  std::unordered_map<const void*, double> part_of;  // by endpoint
  for (std::size_t i = 0; i < parts.size(); ++i) part_of[cluster.endpoints()[i].state.get()] = parts[i];
  std::size_t moving = 0;
  tunnels.for_each([&](websocket::Tunnel& tunnel) {
    const auto part = part_of.find(tunnel.endpoint());
    if (part == part_of.end()) return;
    tunnel.stay();
    if (!settings || !std::bernoulli_distribution(part->second)(random)) return;
    tunnel.move(settings->over);
    ++moving;
  });
  if (moving == 0) return;
  metrics::log().info("upstream {}: {} tunnels of one worker move to other endpoints within {}", cluster.settings().name, moving,
                      config::duration_text(settings->over));
}

}  // namespace sluice::proxy
