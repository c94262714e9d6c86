// Where a listener leads, in words. A pure function.
#pragma once

#include <string>

#include "config/config.h"

namespace sluice {

// For its start-up line: `api (http://127.0.0.1:8000), old (redirect)`.
// `upstreams`: with what was discovered.
std::string destinations(const config::Config& config, const std::vector<config::Upstream>& upstreams,
                         const config::Listener& listener);

}  // namespace sluice
