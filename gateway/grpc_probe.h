// What a health check of kind grpc asks: one call of grpc.health.v1.Health/Check, for the server as a whole.
#pragma once

#include <string>

#include "config/upstream_config.h"
#include "tls/stream.h"

namespace sluice {

// Over HTTP/2 on a connection that is for it alone. See upstream::HttpProbe.
Awaitable<std::string> probe_grpc(tls::Stream& stream, const config::Endpoint& endpoint);

}  // namespace sluice
