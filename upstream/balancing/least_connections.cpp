#include "upstream/balancing/least_connections.h"

namespace sluice::upstream {

std::size_t LeastConnections::pick(std::span<const Endpoint> endpoints, Excluded excluded) {
  std::size_t best = kNone;
  std::uint64_t best_load = 0;
  for (std::size_t step = 0; step < endpoints.size(); ++step) {
    const std::size_t i = (start_ + step) % endpoints.size();
    if (is_excluded(excluded, i)) continue;
    const std::uint64_t load = endpoints[i].state->in_flight.load(std::memory_order_relaxed) + 1;
    // load / weight < best_load / best_weight, without division
    if (best == kNone || load * endpoints[best].settings.weight < best_load * endpoints[i].settings.weight) {
      best = i;
      best_load = load;
    }
  }
  if (best != kNone) start_ = best + 1;
  return best;
}

}  // namespace sluice::upstream
