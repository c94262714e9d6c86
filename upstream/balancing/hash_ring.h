// Equal keys go to the same endpoint, and when an endpoint comes or goes only its own share of the keys moves: consistent
// hashing on a ring, with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2016): an endpoint that already has a quarter more than
// its share of what is in flight is passed over for the next one on the ring, so that a popular key, or someone who has
// found keys that fall together, cannot put everything on one.
// Requests without a key are spread. Every worker and every gateway with the same endpoints has the same ring.
#pragma once

#include <vector>

#include "upstream/balancing/round_robin.h"

namespace sluice::upstream {

class HashRing final : public LoadBalancer {
 public:
  // Points of an endpoint of average weight. With so many the shares differ by some percent.
  static constexpr std::size_t kPointsPerEndpoint = 160;

  explicit HashRing(std::span<const Endpoint> endpoints);
  std::size_t pick(std::span<const Endpoint> endpoints, const PickHints& hints) override;

 private:
  struct Point {
    std::uint64_t at;
    std::uint32_t endpoint;
  };
  std::vector<Point> ring_;  // in order
  RoundRobin without_key_;
};

}  // namespace sluice::upstream
