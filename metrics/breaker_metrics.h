// What is told of circuit_breaker for all workers together.
#pragma once

#include <functional>
#include <string>

#include "metrics/registry.h"

namespace sluice::metrics {

// sluice_upstream_endpoints_full{upstream,bound}: endpoints that have reached that bound now. `count` is asked at scrape time; given
// again, it replaces the one of before.
void tell_full_endpoints(Registry& registry, const std::string& upstream, const char* bound, std::function<double()> count);

}  // namespace sluice::metrics
