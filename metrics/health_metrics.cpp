#include "metrics/health_metrics.h"

#include <string>

namespace sluice::metrics {
namespace {

Labels upstream_label(std::string_view upstream) { return {{"upstream", std::string(upstream)}}; }

Gauge& endpoints(Registry& registry, std::string_view upstream, const char* state) {
  return registry.gauge(registry.workers(), "sluice_upstream_endpoints", "Endpoints now, by upstream and state.",
                        {{"upstream", std::string(upstream)}, {"state", state}});
}

Counter& checks(Registry& registry, std::string_view upstream, const char* result) {
  return registry.counter(registry.workers(), "sluice_upstream_health_checks_total",
                          "Health checks that ended, by upstream and result.",
                          {{"upstream", std::string(upstream)}, {"result", result}});
}

}  // namespace

HealthMetrics::HealthMetrics(Registry& registry, std::string_view upstream)
    : healthy(endpoints(registry, upstream, "healthy")),
      unhealthy(endpoints(registry, upstream, "unhealthy")),
      ejected(endpoints(registry, upstream, "ejected")),
      checks_passed(checks(registry, upstream, "passed")),
      checks_failed(checks(registry, upstream, "failed")),
      panic(registry.gauge(registry.workers(), "sluice_upstream_panic",
                           "1 while all endpoints are out, so that requests are spread over all of them, by upstream.",
                           upstream_label(upstream))),
      ejections(registry.counter(registry.workers(), "sluice_upstream_ejections_total",
                                 "Times that an endpoint was left out because requests to it failed, by upstream.",
                                 upstream_label(upstream))) {}

}  // namespace sluice::metrics
