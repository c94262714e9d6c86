#include "upstream/balancing/least_connections.h"

namespace sluice::upstream {

std::size_t LeastConnections::pick(std::span<const Endpoint> endpoints, const PickHints& hints) {
  std::size_t best = kNone;
  for (std::size_t step = 0; step < endpoints.size(); ++step) {
    const std::size_t i = (start_ + step) % endpoints.size();
    if (!is_eligible(endpoints, i, hints)) continue;
    if (best == kNone || is_less_loaded(endpoints[i], endpoints[best])) best = i;
  }
  if (best != kNone) start_ = best + 1;
  return best;
}

}  // namespace sluice::upstream
