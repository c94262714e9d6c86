// What a handshake has opened, handed to those that live.
#pragma once

#include "gateway/proxy/services.h"
#include "gateway/websocket/tunnel.h"

namespace sluice::sessions {

void begin_tunnel(proxy::Services& services, std::unique_ptr<websocket::Tunnel> tunnel);

}  // namespace sluice::sessions
