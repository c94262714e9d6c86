#include "gateway/websocket/tunnel_walk.h"

#include <exception>

#include "metrics/log.h"

namespace sluice::websocket {

Awaitable<> walk_tunnels(tls::EventLoop& loop, TunnelSet& tunnels, std::size_t per_turn, std::function<void(Tunnel&)> visit,
                         std::function<void()> done) {
  try {
    TunnelSet::Cursor cursor(tunnels);
    std::size_t visited = 0;
    while (Tunnel* tunnel = cursor.next()) {
      visit(*tunnel);
      if (++visited % per_turn == 0) co_await loop.next_turn();
    }
  } catch (const std::exception& error) {
    metrics::log().error("not all WebSockets could be looked at: {}", error.what());
  }
  done();
}

}  // namespace sluice::websocket
