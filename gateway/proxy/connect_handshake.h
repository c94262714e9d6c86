// A WebSocket's handshake on a stream of HTTP/2 to a backend (RFC 8441 5), and as what it stands for on HTTP/1.1: so nothing else has to
// know which of the two a backend speaks. No I/O.
#pragma once

#include "gateway/http/message.h"

namespace sluice::proxy {

// The fields of an extended CONNECT: those of the handshake but the ones that HTTP/1.1 needs for it. Views.
http::Headers connect_headers(const http::Headers& handshake);

// Makes of a 2xx, which opens the tunnel, the 101 that check_response() accepts as the answer to `handshake`.
void make_switch(http::ResponseHead& response, const http::Headers& handshake);

}  // namespace sluice::proxy
