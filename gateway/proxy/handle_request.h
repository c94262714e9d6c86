// The one way of every request, whatever protocol version carried it: match, check, then forward, redirect or answer; and at
// the end, always, the access log and the metrics.
#pragma once

#include <memory>

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/services.h"
#include "gateway/websocket/tunnel.h"

namespace sluice::proxy {

// Returns the tunnel when the request became one; the caller starts it when it has let go of everything else.
Awaitable<std::unique_ptr<websocket::Tunnel>> handle_request(ClientExchange& exchange, Services& services);

}  // namespace sluice::proxy
