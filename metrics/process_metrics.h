// What is known about the process itself, under the names that every Prometheus client library uses. Read at
// scrape time from /proc, on the scraping thread.
#pragma once

#include <string_view>

#include "metrics/registry.h"

namespace sluice::metrics {

// process_*, sluice_build_info{version} and sluice_log_dropped_lines_total. Call once, at start.
void register_process_metrics(Registry& registry, std::string_view version);

}  // namespace sluice::metrics
