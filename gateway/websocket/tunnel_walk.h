// Shows all tunnels of a worker to somebody, a few in each turn of its loop, so that a hundred thousand of them stall nobody. On that
// worker's thread.
#pragma once

#include <functional>

#include "gateway/websocket/tunnel_set.h"

namespace sluice::websocket {

// The newest first. `visit` may end the tunnel that it is given. `done` is called at the end, also when memory ran out on the way.
Awaitable<> walk_tunnels(tls::EventLoop& loop, TunnelSet& tunnels, std::size_t per_turn, std::function<void(Tunnel&)> visit,
                         std::function<void()> done);

}  // namespace sluice::websocket
