// What `websocket` of a route asks of a WebSocket, as `sluice explain` tells it. No I/O.
#pragma once

#include "config/websocket_config.h"
#include "gateway/commands/explanation.h"

namespace sluice::commands {

// Key and value.
struct WebSocketLimits {
  Pairs in_force;
  Pairs observed;  // with `observe`: what is only counted
};
WebSocketLimits websocket_limits(const config::WebSocketRules& rules);

}  // namespace sluice::commands
