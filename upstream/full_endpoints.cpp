#include "upstream/full_endpoints.h"

#include <algorithm>
#include <array>

#include "metrics/breaker_metrics.h"

namespace sluice::upstream {
namespace {

struct BoundOf {
  const char* key;
  std::atomic<std::uint32_t> EndpointState::*count;
  config::OptionalCount most;

  // A bound of 0 is a ban, not a load.
  bool reached_by(const EndpointState& state) const {
    return most.value_or(0) > 0 && (state.*count).load(std::memory_order_relaxed) >= *most;
  }
};

std::array<BoundOf, 3> bounds_of(const config::Upstream& settings) {
  return {{{"max_connections", &EndpointState::connections, settings.circuit_breaker.max_connections},
           {"max_pending", &EndpointState::pending, settings.circuit_breaker.max_pending},
           {"max_retries", &EndpointState::repeats, settings.most_repeats()}}};
}

// A state lives as long as it is in use, whatever is told of it.
using States = std::vector<std::weak_ptr<EndpointState>>;

void tell(metrics::Registry& registry, const config::Upstream& settings, const States& states) {
  for (const BoundOf& bound : bounds_of(settings)) {
    metrics::tell_full_endpoints(registry, settings.name, bound.key, [states, bound] {
      return static_cast<double>(std::count_if(states.begin(), states.end(), [&bound](const auto& one) {
        const std::shared_ptr<EndpointState> state = one.lock();
        return state && bound.reached_by(*state);
      }));
    });
  }
}

}  // namespace

std::vector<std::string> reached_bounds(const EndpointState& state, const config::Upstream& settings) {
  std::vector<std::string> keys;
  for (const BoundOf& bound : bounds_of(settings)) {
    if (bound.reached_by(state)) keys.emplace_back(bound.key);
  }
  return keys;
}

void FullEndpoints::watch(const std::vector<config::Upstream>& upstreams) {
  for (const std::string& name : std::exchange(told_, {})) {
    config::Upstream gone;
    gone.name = name;
    tell(registry_, gone, {});
  }
  for (const config::Upstream& upstream : upstreams) {
    States states;
    for (const config::Endpoint& endpoint : upstream.endpoints) states.push_back(endpoints_.state_of(upstream.name, endpoint));
    tell(registry_, upstream, states);
    told_.insert(upstream.name);
  }
}

}  // namespace sluice::upstream
