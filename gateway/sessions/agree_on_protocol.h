// Which version of HTTP a client speaks.
#pragma once

#include "gateway/proxy/connection_info.h"
#include "gateway/proxy/services.h"
#include "gateway/sessions/session_set.h"

namespace sluice::sessions {

// Under TLS the handshake has agreed on it (ALPN). A plain connection of a listener that lists h2 is looked at, without taking anything:
// a client that knows begins with what no other version can take for a request (RFC 9113 3.3 and 3.4). What is neither that nor a request
// of HTTP/1 counts as a preface that is wrong: the session of HTTP/2 ends it.
Awaitable<bool> speaks_http2(proxy::Services& services, SessionSet& sessions, tls::Stream& stream, proxy::ConnectionInfo& info);

}  // namespace sluice::sessions
