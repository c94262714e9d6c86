#include "upstream/load_balancer.h"

#include "upstream/balancing/hash_ring.h"
#include "upstream/balancing/least_connections.h"
#include "upstream/balancing/random_two_choices.h"
#include "upstream/balancing/round_robin.h"

namespace sluice::upstream {

std::unique_ptr<LoadBalancer> make_load_balancer(config::Balance policy, std::span<const Endpoint> endpoints) {
  switch (policy) {
    case config::Balance::round_robin: return std::make_unique<RoundRobin>(endpoints.size());
    case config::Balance::least_connections: return std::make_unique<LeastConnections>();
    case config::Balance::random_two_choices: return std::make_unique<RandomTwoChoices>();
    case config::Balance::hash: return std::make_unique<HashRing>(endpoints);
  }
  return nullptr;
}

}  // namespace sluice::upstream
