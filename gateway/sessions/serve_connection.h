// Serves one accepted connection from its first byte to its last: PROXY header, TLS handshake, then the session of the protocol that was agreed.
// The last catch for exceptions is here: whatever happens, it costs this connection only.
#pragma once

#include "gateway/proxy/services.h"
#include "gateway/sessions/session_set.h"
#include "tls/server_context.h"

namespace sluice::sessions {

// A connection's place within the limits.
struct ConnectionPlace : tls::Stream::Attachment {
  // Counts it for that client (4 or 16 bytes in network order) from now on; false: it has too many. At most once.
  virtual bool count_for(const std::uint8_t* address, bool v6) = 0;
};

struct Accepted {
  tls::Descriptor socket;
  std::shared_ptr<const config::Listener> listener;
  std::shared_ptr<const tls::ServerContext> tls_context;  // null: plain
  std::string peer_address;
  std::uint16_t peer_port = 0;
  bool peer_trusted = false;
  std::unique_ptr<ConnectionPlace> place;
};

Awaitable<> serve_connection(proxy::Services& services, SessionSet& sessions, Accepted accepted);

}  // namespace sluice::sessions
