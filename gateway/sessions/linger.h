// Says goodbye to a client. After the last response, what it still sends is read and thrown away for a while, or until it closes: closing a
// socket with unread bytes resets it, and the reset can overtake the response (RFC 9112 9.6).
#pragma once

#include "tls/stream.h"

namespace sluice::sessions {

// Writes nothing more. Returns when the client has gone, or has had its time.
Awaitable<> linger(tls::Stream& stream);

}  // namespace sluice::sessions
