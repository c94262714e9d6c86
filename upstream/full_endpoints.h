// Which endpoints have reached a bound of circuit_breaker now, for operators.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "config/upstream_config.h"
#include "metrics/registry.h"
#include "upstream/endpoint_registry.h"

namespace sluice::upstream {

// The keys of circuit_breaker whose bound the endpoint has reached. Any thread.
std::vector<std::string> reached_bounds(const EndpointState& state, const config::Upstream& settings);

// Tells in metrics how many endpoints have. The control thread's; the counts are read when somebody scrapes.
class FullEndpoints {
 public:
  FullEndpoints(metrics::Registry& registry, EndpointRegistry& endpoints) : registry_(registry), endpoints_(endpoints) {}
  // Those of the configuration in force. An upstream that is gone is told as 0.
  void watch(const std::vector<config::Upstream>& upstreams);

 private:
  metrics::Registry& registry_;
  EndpointRegistry& endpoints_;
  std::set<std::string> told_;  // names of upstreams
};

}  // namespace sluice::upstream
