// What is counted about the process's own end and its successor. The control thread's.
#pragma once

#include "metrics/registry.h"

namespace sluice::metrics {

class LifecycleMetrics {
 public:
  explicit LifecycleMetrics(Registry& registry);
  Gauge& draining;                // sluice_draining: 1 from the signal to the end
  Counter& replacements_failed;   // sluice_replacements_failed_total: SIGUSR2, after which this process goes on
};

}  // namespace sluice::metrics
