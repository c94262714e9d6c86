// What is counted about a route's copies for its mirror: one set per worker and route that has one.
#pragma once

#include <string_view>

#include "metrics/registry.h"

namespace sluice::metrics {

class MirrorMetrics {
 public:
  MirrorMetrics(Registry& registry, unsigned worker, std::string_view route);

  Counter& answered;      // sluice_mirror_requests_total{route,result}: copies, by what became of them
  Counter& failed;
  Counter& skipped_body;  // sluice_mirror_skipped_total{route,reason}: requests of the share of which no copy was sent
  Counter& skipped_unsent;
  Counter& skipped_busy;
  Counter& skipped_memory;
  Gauge& in_flight;       // sluice_mirror_in_flight{route}
};

}  // namespace sluice::metrics
