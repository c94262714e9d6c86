#include "gateway/proxy/generation.h"

#include <algorithm>

namespace sluice::proxy {

bool Generation::has(const websocket::Tunnel& tunnel) const noexcept {
  const bool route = std::any_of(routes.begin(), routes.end(),
                                 [&](const RouteServices& one) { return &one.websocket == tunnel.route(); });
  return route && std::any_of(clusters.begin(), clusters.end(),
                              [&](const auto& cluster) { return cluster->endpoint_of(tunnel.endpoint()) != nullptr; });
}

}  // namespace sluice::proxy
