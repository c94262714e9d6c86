// Reads the PROXY header at the beginning of a connection whose peer is trusted, before TLS and HTTP, and makes the client that it tells
// the connection's client. One worker's thread.
#pragma once

#include "gateway/proxy/connection_info.h"
#include "gateway/proxy/services.h"
#include "gateway/sessions/serve_connection.h"

namespace sluice::sessions {

// False: the connection is over. `place` counts for the client from then on. Its time counts for what comes next
// (info.opening_took), and it is bounded by the same limit.
Awaitable<bool> read_proxy_header(proxy::Services& services, SessionSet& sessions, tls::Stream& stream,
                                  proxy::ConnectionInfo& info, ConnectionPlace& place);

}  // namespace sluice::sessions
