#include "gateway/proxy/generation.h"

#include <algorithm>

namespace sluice::proxy {

bool Generation::has(const websocket::Tunnel& tunnel) const noexcept {
  const auto route = std::find_if(routes.begin(), routes.end(),
                                  [&](const RouteServices& one) { return &one.websocket == tunnel.route(); });
  return route != routes.end() &&
         std::any_of(route->sides.begin(), route->sides.end(),
                     [&](const RouteServices::Side& side) { return side.cluster->endpoint_of(tunnel.endpoint()) != nullptr; });
}

const upstream::Cluster* Generation::cluster(std::string_view upstream) const noexcept {
  const auto found = std::find_if(clusters.begin(), clusters.end(),
                                  [&](const std::shared_ptr<upstream::Cluster>& one) { return one->settings().name == upstream; });
  return found == clusters.end() ? nullptr : found->get();
}

}  // namespace sluice::proxy
