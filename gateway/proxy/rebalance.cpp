#include "gateway/proxy/rebalance.h"

#include <unordered_map>

#include "config/value_text.h"
#include "gateway/websocket/tunnel.h"
#include "metrics/log.h"
#include "upstream/rebalance.h"

namespace sluice::proxy {
namespace {

// By endpoint.
using Parts = std::unordered_map<const void*, double>;

Parts parts_of(const upstream::Cluster& cluster) {
  const std::vector<double> parts = upstream::parts_in_excess(cluster.endpoints());
  Parts by_endpoint;
  for (std::size_t i = 0; i < parts.size(); ++i) by_endpoint[cluster.endpoints()[i].state.get()] = parts[i];
  return by_endpoint;
}

}  // namespace

void rebalance(const upstream::Cluster& cluster, bool joined, websocket::TunnelSet& tunnels, std::mt19937_64& random) {
  const std::optional<config::Rebalance>& settings = cluster.settings().rebalance;
  const Parts parts = parts_of(cluster);
  bool planned = joined;
  tunnels.for_each([&](websocket::Tunnel& tunnel) {
    if (parts.contains(tunnel.endpoint()) && tunnel.stay()) planned = true;
  });
  if (!settings || !planned) return;
  std::size_t moving = 0;
  tunnels.for_each([&](websocket::Tunnel& tunnel) {
    const auto part = parts.find(tunnel.endpoint());
    if (part == parts.end() || !std::bernoulli_distribution(part->second)(random)) return;
    if (tunnel.move(settings->over)) ++moving;
  });
  if (moving == 0) return;
  metrics::log().info("upstream {}: {} tunnels of one worker move to other endpoints within {}", cluster.settings().name, moving,
                      config::duration_text(settings->over));
}

}  // namespace sluice::proxy
