// What is counted about configurations and their reloads. The control thread's.
#pragma once

#include "metrics/registry.h"

namespace sluice::metrics {

class ConfigMetrics {
 public:
  explicit ConfigMetrics(Registry& registry);
  // sluice_config_reloads_total{result}: failed: nothing was changed.
  Counter& reloads_ok, & reloads_failed;
  Gauge& generation;   // sluice_config_generation: 1 at start, one more with each reload
  Gauge& loaded_at;    // sluice_config_loaded_timestamp_seconds: when the one in force was loaded
};

}  // namespace sluice::metrics
