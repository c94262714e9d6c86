#include "metrics/discovery_metrics.h"

#include <string>

namespace sluice::metrics {
namespace {

Counter& lookups(Registry& registry, std::string_view upstream, const char* result) {
  return registry.counter(registry.workers(), "sluice_discovery_lookups_total",
                          "Lookups of the names that lead to an upstream's endpoints, by upstream and result; only found ones change them.",
                          {{"upstream", std::string(upstream)}, {"result", result}});
}

Labels upstream_label(std::string_view upstream) { return {{"upstream", std::string(upstream)}}; }

}  // namespace

DiscoveryMetrics::DiscoveryMetrics(Registry& registry, std::string_view upstream)
    : found(lookups(registry, upstream, "found")),
      empty(lookups(registry, upstream, "empty")),
      failed(lookups(registry, upstream, "failed")),
      endpoints(registry.gauge(registry.workers(), "sluice_discovery_endpoints", "Endpoints that DNS tells of, by upstream.",
                               upstream_label(upstream))),
      answered_at(registry.gauge(registry.workers(), "sluice_discovery_last_answer_timestamp_seconds",
                                 "When DNS last told of endpoints, by upstream: of its dns and srv entries the one whose answer is "
                                 "oldest; 0 while one never had any.",
                                 upstream_label(upstream))) {}

}  // namespace sluice::metrics
