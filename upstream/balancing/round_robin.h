// Weighted round robin, smooth: a heavy endpoint's turns are spread among the others' instead of coming in a row.
// Each turn every candidate earns its weight, the richest is picked and pays the total.
#pragma once

#include <vector>

#include "upstream/load_balancer.h"

namespace sluice::upstream {

class RoundRobin final : public LoadBalancer {
 public:
  explicit RoundRobin(std::size_t endpoints);
  std::size_t pick(std::span<const Endpoint> endpoints, const PickHints& hints) override;

 private:
  std::vector<std::int64_t> credit_;
};

}  // namespace sluice::upstream
