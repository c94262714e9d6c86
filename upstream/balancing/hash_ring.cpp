#include "upstream/balancing/hash_ring.h"

#include "upstream/balancing/stable_hash.h"

namespace sluice::upstream {
namespace {

std::uint64_t in_flight(const Endpoint& endpoint) { return endpoint.state->in_flight.load(std::memory_order_relaxed); }

// How much an endpoint may have in flight, one more included: ceil(5/4 * all * weight / all weights).
class Bounds {
 public:
  Bounds(std::span<const Endpoint> endpoints, const PickHints& hints) {
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      if (!is_eligible(endpoints, i, hints)) continue;
      in_flight_ += in_flight(endpoints[i]);
      weight_ += endpoints[i].settings.weight;
    }
  }
  bool has_room(const Endpoint& endpoint) const {
    // in_flight + 1 <= ceil(bound), that is in_flight < bound, without division
    return in_flight(endpoint) * 4 * weight_ < 5 * in_flight_ * endpoint.settings.weight;
  }

 private:
  std::uint64_t in_flight_ = 1;  // with the one that comes
  std::uint64_t weight_ = 0;
};

}  // namespace

HashRing::HashRing(std::span<const Endpoint> endpoints) : without_key_(endpoints.size()) {
  std::uint64_t weight = 0;
  for (const Endpoint& endpoint : endpoints) weight += endpoint.settings.weight;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const std::size_t share = kPointsPerEndpoint * endpoints.size() * endpoints[i].settings.weight / weight;
    for (std::size_t point = 0; point < std::max<std::size_t>(share, 1); ++point) {
      const std::string name = endpoints[i].settings.url + "#" + std::to_string(point);
      ring_.push_back({stable_hash(name), static_cast<std::uint32_t>(i)});
    }
  }
  std::sort(ring_.begin(), ring_.end(), [](const Point& a, const Point& b) {
    return a.at != b.at ? a.at < b.at : a.endpoint < b.endpoint;
  });
}

std::size_t HashRing::pick(std::span<const Endpoint> endpoints, const PickHints& hints) {
  if (!hints.hash) return without_key_.pick(endpoints, hints);
  const Bounds bounds(endpoints, hints);
  const auto first = std::lower_bound(ring_.begin(), ring_.end(), *hints.hash,
                                      [](const Point& point, std::uint64_t hash) { return point.at < hash; });
  const auto start = static_cast<std::size_t>(first - ring_.begin());
  std::size_t own = kNone;
  for (std::size_t step = 0; step < ring_.size(); ++step) {
    const std::size_t index = ring_[(start + step) % ring_.size()].endpoint;
    if (!is_eligible(endpoints, index, hints)) continue;
    if (bounds.has_room(endpoints[index])) return index;
    if (own == kNone) own = index;
  }
  return own;  // the bounds add up to more than there is, but other workers count meanwhile
}

}  // namespace sluice::upstream
