// Chooses an endpoint. One instance per worker and upstream, used by its thread alone. A new policy is one file in balancing/
// and one line in make_load_balancer().
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "upstream/endpoint.h"

namespace sluice::upstream {

// Indices of the endpoints that an earlier attempt of the same request has tried.
using Excluded = std::span<const std::size_t>;
inline bool is_excluded(Excluded excluded, std::size_t index) noexcept {
  return std::find(excluded.begin(), excluded.end(), index) != excluded.end();
}

// What a request knows that matters for the choice. Endpoints that were tried already are excluded unless all were.
struct PickHints {
  Excluded excluded;
  std::optional<std::uint64_t> hash = {};  // of what the upstream's hash_on names; absent: the request has none
  bool panic = false;                 // endpoints that are out are as good as the others, since all are
  Excluded full = {};                 // have reached a bound of circuit_breaker: excluded in any case
  std::optional<std::size_t> preferred = {};  // the endpoint that it is to come back to while that is eligible
};

// Whether the endpoint may be picked: the one question that every policy asks.
inline bool is_eligible(std::span<const Endpoint> endpoints, std::size_t index, const PickHints& hints) noexcept {
  return (hints.panic || !endpoints[index].out) && !is_excluded(hints.excluded, index) && !is_excluded(hints.full, index);
}

// Whether one more exchange weighs less on `a` than on `b`.
inline bool is_less_loaded(const Endpoint& a, const Endpoint& b) noexcept {
  const std::uint64_t load_a = a.state->in_flight.load(std::memory_order_relaxed) + std::uint64_t{1};
  const std::uint64_t load_b = b.state->in_flight.load(std::memory_order_relaxed) + std::uint64_t{1};
  return load_a * b.settings.weight < load_b * a.settings.weight;  // load_a / weight_a < load_b / weight_b
}

class LoadBalancer {
 public:
  virtual ~LoadBalancer() = default;
  // The index of one of `endpoints` that is_eligible(), or kNone when none is. `hints.excluded` are few indices.
  // `endpoints` are the same ones in the same order for the balancer's whole life.
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  virtual std::size_t pick(std::span<const Endpoint> endpoints, const PickHints& hints) = 0;
};

std::unique_ptr<LoadBalancer> make_load_balancer(config::Balance policy, std::span<const Endpoint> endpoints);

}  // namespace sluice::upstream
