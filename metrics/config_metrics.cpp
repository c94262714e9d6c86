#include "metrics/config_metrics.h"

namespace sluice::metrics {
namespace {

Counter& reloads(Registry& registry, const char* result) {
  return registry.counter(registry.workers(), "sluice_config_reloads_total",
                          "Reloads of the configuration by result; the log says what became of a failed one.", {{"result", result}});
}

}  // namespace

ConfigMetrics::ConfigMetrics(Registry& registry)
    : reloads_ok(reloads(registry, "ok")),
      reloads_failed(reloads(registry, "failed")),
      generation(registry.gauge(registry.workers(), "sluice_config_generation",
                                "Number of the configuration in force: 1 at start, one more with each reload.")),
      loaded_at(registry.gauge(registry.workers(), "sluice_config_loaded_timestamp_seconds",
                               "When the configuration in force was loaded, in seconds since the epoch.")) {}

}  // namespace sluice::metrics
