#include "metrics/lifecycle_metrics.h"

namespace sluice::metrics {

LifecycleMetrics::LifecycleMetrics(Registry& registry)
    : draining(registry.gauge(registry.workers(), "sluice_draining", "1 while the gateway finishes what is under way and then exits.")),
      replacements_failed(registry.counter(registry.workers(), "sluice_replacements_failed_total",
                                           "Successors (SIGUSR2) that did not come to serve, or crashed soon after that.")) {}

}  // namespace sluice::metrics
