// What is counted about the endpoints that DNS tells of, by upstream. The discovery thread's, in the control cells.
#pragma once

#include <string_view>

#include "metrics/registry.h"

namespace sluice::metrics {

class DiscoveryMetrics {
 public:
  DiscoveryMetrics(Registry& registry, std::string_view upstream);

  // sluice_discovery_lookups_total{upstream,result}: found endpoints, none (empty), or no usable answer (failed).
  Counter& found, & empty, & failed;
  Gauge& endpoints;    // sluice_discovery_endpoints{upstream}: that were found
  Gauge& answered_at;  // sluice_discovery_last_answer_timestamp_seconds{upstream}: of the entry that waits longest; 0: one never was
};

}  // namespace sluice::metrics
