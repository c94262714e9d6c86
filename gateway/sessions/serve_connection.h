// Serves one accepted connection from its first byte to its last: TLS handshake, then the session of the protocol that was agreed.
// The last catch for exceptions is here: whatever happens, it costs this connection only.
#pragma once

#include "gateway/proxy/services.h"
#include "gateway/sessions/session_set.h"
#include "tls/server_context.h"

namespace sluice::sessions {

struct Accepted {
  tls::Descriptor socket;
  std::shared_ptr<const config::Listener> listener;
  std::shared_ptr<const tls::ServerContext> tls_context;  // null: plain
  std::string peer_address;
  bool peer_trusted = false;
  std::unique_ptr<tls::Stream::Attachment> slot;  // its place among max_connections
};

Awaitable<> serve_connection(proxy::Services& services, SessionSet& sessions, Accepted accepted);

}  // namespace sluice::sessions
