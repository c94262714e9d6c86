#include "upstream/rebalance.h"

#include <algorithm>
#include <cmath>

namespace sluice::upstream {

std::vector<double> parts_in_excess(std::span<const Endpoint> endpoints) {
  std::vector<double> load(endpoints.size(), 0);  // read once: the counts go on changing
  double all = 0, weights = 0;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    if (endpoints[i].out) continue;
    load[i] = endpoints[i].state->tunnels.load(std::memory_order_relaxed);
    all += load[i];
    weights += endpoints[i].settings.weight;
  }
  std::vector<double> parts(endpoints.size(), 0);
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    if (load[i] == 0) continue;
    const double share = std::ceil(all * endpoints[i].settings.weight / weights);  // a single tunnel has nowhere better to be
    if (load[i] > share) parts[i] = 1 - share / load[i];
  }
  return parts;
}

bool any_joined(std::span<const Endpoint> before, std::span<const Endpoint> now) {
  return std::any_of(now.begin(), now.end(), [before](const Endpoint& one) {
    const auto was = std::find_if(before.begin(), before.end(), [&one](const Endpoint& other) { return other.state == one.state; });
    if (was == before.end()) return !one.out;
    return !one.out && (was->out || was->settings.weight < one.settings.weight);
  });
}

}  // namespace sluice::upstream
