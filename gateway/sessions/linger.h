// Says goodbye to a client.
#pragma once

#include "gateway/proxy/services.h"
#include "gateway/sessions/session_set.h"

namespace sluice::sessions {

// After the last response, what the client still sends is read and thrown away for a while, or until it closes: closing a socket with
// unread bytes resets it, and the reset can overtake the response (RFC 9112 9.6). Writes nothing more. Returns when the client has gone,
// or has had its time.
Awaitable<> linger(tls::Stream& stream);

// The last that is done with a client's connection. What it has not taken by then waits in the kernel, which would go on offering it
// after the socket was closed, beyond limits.max_connections: so the connection keeps its place until the client has taken all, or nothing
// for timeouts.client_write_idle, and then it is reset. Without that limit, and while draining, it is left to the kernel.
Awaitable<> see_off(proxy::Services& services, tls::Stream& stream);
// The same for the socket of a tunnel that has ended.
Awaitable<> see_off(proxy::Services& services, SessionSet& sessions, tls::DuplexPtr client);

}  // namespace sluice::sessions
