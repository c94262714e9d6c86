#include "metrics/breaker_metrics.h"

#include <utility>

namespace sluice::metrics {

void tell_full_endpoints(Registry& registry, const std::string& upstream, const char* bound, std::function<double()> count) {
  registry.gauge_at_scrape("sluice_upstream_endpoints_full",
                           "Endpoints that have reached a bound of circuit_breaker now, by upstream and bound.",
                           {{"upstream", upstream}, {"bound", bound}}, std::move(count));
}

}  // namespace sluice::metrics
