// What is counted about the health of one upstream's endpoints. The health thread's, in the control cells.
#pragma once

#include <string_view>

#include "metrics/registry.h"

namespace sluice::metrics {

class HealthMetrics {
 public:
  HealthMetrics(Registry& registry, std::string_view upstream);

  // sluice_upstream_endpoints{upstream,state}: how many are in, fail their checks, or are ejected (and pass their checks).
  Gauge& healthy, & unhealthy, & ejected;
  // sluice_upstream_health_checks_total{upstream,result}
  Counter& checks_passed, & checks_failed;
  Gauge& panic;          // sluice_upstream_panic{upstream}: 1 while all endpoints are out and all get requests
  Counter& ejections;    // sluice_upstream_ejections_total{upstream}
};

}  // namespace sluice::metrics
