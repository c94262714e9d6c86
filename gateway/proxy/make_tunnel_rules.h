// What a route's `websocket` asks of its tunnels, in the words of the tunnel.
#pragma once

#include "config/route_config.h"
#include "gateway/websocket/tunnel_rules.h"

namespace sluice::proxy {

// `drain`: timeouts.drain, within which those that leave have to be gone.
std::shared_ptr<const websocket::TunnelRules> make_tunnel_rules(const config::WebSocketRules& rules, config::Duration drain);

}  // namespace sluice::proxy
