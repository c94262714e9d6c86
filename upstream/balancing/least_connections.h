// The endpoint with the fewest exchanges and open tunnels of all workers, for its weight. Equals take turns.
#pragma once

#include "upstream/load_balancer.h"

namespace sluice::upstream {

class LeastConnections final : public LoadBalancer {
 public:
  std::size_t pick(std::span<const Endpoint> endpoints, const PickHints& hints) override;

 private:
  std::size_t start_ = 0;  // where the next search begins, so that equals take turns
};

}  // namespace sluice::upstream
