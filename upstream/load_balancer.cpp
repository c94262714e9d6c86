#include "upstream/load_balancer.h"

#include "upstream/balancing/least_connections.h"
#include "upstream/balancing/round_robin.h"

namespace sluice::upstream {

std::unique_ptr<LoadBalancer> make_load_balancer(config::Balance policy, std::size_t endpoints) {
  switch (policy) {
    case config::Balance::round_robin: return std::make_unique<RoundRobin>(endpoints);
    case config::Balance::least_connections: return std::make_unique<LeastConnections>();
  }
  return nullptr;
}

}  // namespace sluice::upstream
