// Forwards a WebSocket handshake to its upstream, as a stream of a connection that others share or over one of its own, checks what accepts
// it, and makes the tunnel. Any other answer is passed on as an ordinary response.
#pragma once

#include <memory>

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_context.h"
#include "gateway/websocket/tunnel.h"

namespace sluice::proxy {

// The request is a valid handshake, its headers are prepared. Null: there is no tunnel, and a response was given.
Awaitable<std::unique_ptr<websocket::Tunnel>> forward_upgrade(ClientExchange& exchange, Services& services,
                                                              RouteContext& route);

}  // namespace sluice::proxy
