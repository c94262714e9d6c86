#include "upstream/balancing/round_robin.h"

#include <random>

namespace sluice::upstream {

// Workers start at different places, so that few requests over many workers do not all meet the first endpoint.
RoundRobin::RoundRobin(std::size_t endpoints) : credit_(endpoints, 0) {
  if (endpoints > 1) credit_[std::random_device{}() % endpoints] = 1;
}

std::size_t RoundRobin::pick(std::span<const Endpoint> endpoints, const PickHints& hints) {
  std::size_t best = kNone;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    if (!is_eligible(endpoints, i, hints)) continue;
    const auto weight = static_cast<std::int64_t>(endpoints[i].settings.weight);
    credit_[i] += weight;
    total += weight;
    if (best == kNone || credit_[i] > credit_[best]) best = i;
  }
  if (best != kNone) credit_[best] -= total;
  return best;
}

}  // namespace sluice::upstream
