// What a health check asks that is more than a connection: of kind http one GET, of which the status counts. Handed to the health
// monitor, which knows no HTTP.
#pragma once

#include <string>

#include "config/upstream_config.h"
#include "gateway/http/headers.h"
#include "tls/stream.h"

namespace sluice {

// See upstream::HttpProbe.
Awaitable<std::string> probe_health(tls::Stream& stream, const config::HealthCheck& check, const config::Endpoint& endpoint, bool h2);

// What all such questions say: whom they ask, and who asks.
void add_probe_headers(http::Headers& headers, const config::Endpoint& endpoint);

}  // namespace sluice
