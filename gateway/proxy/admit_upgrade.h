// Whether a route takes one more WebSocket now: what depends on how many there are and on how fast the client comes.
// What the head alone decides is decide()'s. The exchange's own thread.
#pragma once

#include <optional>

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_context.h"
#include "gateway/proxy/route_counts.h"

namespace sluice::proxy {

// Nothing: it does not, which was counted and answered.
std::optional<TunnelPlace> admit_upgrade(ClientExchange& exchange, const RouteContext& route);

}  // namespace sluice::proxy
