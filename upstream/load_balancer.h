// Chooses an endpoint. One instance per worker and upstream, used by its thread alone. A new policy is one file in balancing/
// and one line in make_load_balancer().
#pragma once

#include <algorithm>
#include <memory>
#include <span>

#include "upstream/endpoint.h"

namespace sluice::upstream {

// Indices of the endpoints that an earlier attempt of the same request has tried.
using Excluded = std::span<const std::size_t>;
inline bool is_excluded(Excluded excluded, std::size_t index) noexcept {
  return std::find(excluded.begin(), excluded.end(), index) != excluded.end();
}

class LoadBalancer {
 public:
  virtual ~LoadBalancer() = default;
  // The index of one of `endpoints` that is not in `excluded` (few indices), or kNone when all are.
  // `endpoints` are the same ones in the same order for the balancer's whole life.
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  virtual std::size_t pick(std::span<const Endpoint> endpoints, Excluded excluded) = 0;
};

std::unique_ptr<LoadBalancer> make_load_balancer(config::Balance policy, std::size_t endpoints);

}  // namespace sluice::upstream
