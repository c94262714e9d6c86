#include "gateway/proxy/generation.h"

#include <algorithm>

namespace sluice::proxy {

std::optional<Generation::Home> Generation::home_of(const void* route, const void* endpoint) const noexcept {
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (&routes[i].websocket != route) continue;
    for (const RouteServices::Side& side : routes[i].sides) {
      const config::Endpoint* settings = side.cluster->endpoint_of(endpoint);
      if (settings != nullptr) return Home{i, side.cluster->settings(), *settings};
    }
  }
  return std::nullopt;
}

const upstream::Cluster* Generation::cluster(std::string_view upstream) const noexcept {
  const auto found = std::find_if(clusters.begin(), clusters.end(),
                                  [&](const std::shared_ptr<upstream::Cluster>& one) { return one->settings().name == upstream; });
  return found == clusters.end() ? nullptr : found->get();
}

}  // namespace sluice::proxy
