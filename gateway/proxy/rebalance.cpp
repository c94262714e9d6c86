#include "gateway/proxy/rebalance.h"

#include <unordered_map>

#include "config/counted.h"
#include "config/value_text.h"
#include "gateway/websocket/tunnel.h"
#include "metrics/log.h"
#include "upstream/rebalance.h"

namespace sluice::proxy {
namespace {

// Of one endpoint, the tunnels of this worker.
struct Here {
  double part = 0;  // that is to move
  std::size_t tunnels = 0;
};
using ByEndpoint = std::unordered_map<const void*, Here>;

ByEndpoint parts_of(const upstream::Cluster& cluster) {
  const std::vector<double> parts = upstream::parts_in_excess(cluster.endpoints());
  ByEndpoint endpoints;
  for (std::size_t i = 0; i < parts.size(); ++i) endpoints[cluster.endpoints()[i].state.get()].part = parts[i];
  return endpoints;
}

// The part is rounded up or down by chance: all workers together move what they should.
std::size_t move(const ByEndpoint::value_type& endpoint, std::chrono::milliseconds over, websocket::TunnelSet& tunnels,
                 std::mt19937_64& random) {
  std::size_t left = endpoint.second.tunnels, moved = 0;
  const double wanted = endpoint.second.part * static_cast<double>(left) + std::uniform_real_distribution<double>(0, 1)(random);
  auto missing = static_cast<std::size_t>(wanted);
  tunnels.for_each([&](websocket::Tunnel& tunnel) {
    if (tunnel.endpoint() != endpoint.first || left == 0) return;
    const bool chosen = std::uniform_int_distribution<std::size_t>(0, --left)(random) < missing;  // each as likely as the others
    if (!chosen) return;
    --missing;
    if (tunnel.move(over)) ++moved;
  });
  return moved;
}

}  // namespace

void rebalance(const upstream::Cluster& cluster, bool joined, websocket::TunnelSet& tunnels, std::mt19937_64& random) {
  const std::optional<config::Rebalance>& settings = cluster.settings().rebalance;
  ByEndpoint endpoints = parts_of(cluster);
  bool planned = joined;
  tunnels.for_each([&](websocket::Tunnel& tunnel) {
    const auto endpoint = endpoints.find(tunnel.endpoint());
    if (endpoint == endpoints.end()) return;
    ++endpoint->second.tunnels;
    if (tunnel.stay()) planned = true;
  });
  if (!settings || !planned) return;
  std::size_t moving = 0;
  for (const ByEndpoint::value_type& endpoint : endpoints) {
    if (endpoint.second.part > 0) moving += move(endpoint, settings->over, tunnels, random);
  }
  if (moving == 0) return;
  metrics::log().info("upstream {}: {} of one worker {} to other endpoints within {}", cluster.settings().name,
                      config::counted(moving, "WebSocket"), moving == 1 ? "moves" : "move", config::duration_text(settings->over));
}

}  // namespace sluice::proxy
