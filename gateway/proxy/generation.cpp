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

}  // namespace sluice::proxy
