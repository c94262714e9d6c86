// What a health check of kind http asks: one GET, of which the status counts. Handed to the health monitor, which knows no HTTP.
#pragma once

#include <string>

#include "config/upstream_config.h"
#include "tls/stream.h"

namespace sluice {

// See upstream::HttpProbe.
Awaitable<std::string> probe_health(tls::Stream& stream, const config::HealthCheck& check, const config::Endpoint& endpoint);

}  // namespace sluice
