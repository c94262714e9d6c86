#include "gateway/sessions/begin_tunnel.h"

namespace sluice::sessions {

void begin_tunnel(proxy::Services& services, std::unique_ptr<websocket::Tunnel> tunnel) {
  websocket::Tunnel& added = *tunnel;
  services.tunnels.add(std::move(tunnel));
  // A reload may have taken its route away while the handshake went on. (One that ended at once is still there, and stays ended.)
  if (!services.generation->has(added)) added.leave();
}

}  // namespace sluice::sessions
