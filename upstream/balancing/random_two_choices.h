// Two endpoints by chance, each as likely as its weight says, and of them the one with fewer exchanges and open tunnels for its
// weight. Nearly as even as least_connections, without looking at all of them, and many gateways that see each other's
// load late do not all run to the same endpoint (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").
#pragma once

#include <random>

#include "upstream/load_balancer.h"

namespace sluice::upstream {

class RandomTwoChoices final : public LoadBalancer {
 public:
  std::size_t pick(std::span<const Endpoint> endpoints, const PickHints& hints) override;

 private:
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace sluice::upstream
