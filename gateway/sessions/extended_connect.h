// WebSocket over HTTP/2 (RFC 8441): a CONNECT with `:protocol`, made the HTTP/1.1 handshake that means the same, so that routes, checks
// and backends see the one that they know. No I/O.
#pragma once

#include "gateway/http/message.h"

namespace sluice::sessions {

// Whether it asks for a WebSocket. A CONNECT with another protocol stays what it is, and is refused where requests are decided.
bool asks_for_websocket(const http::RequestHead& request) noexcept;

// A GET with Upgrade and a key of the gateway's own, in place of what a client said that has no say there (RFC 8441 5).
void make_upgrade(http::RequestHead& request);

// Of an answer to such a handshake: what says so on HTTP/1.1 alone.
void remove_upgrade_answer(http::Headers& headers);

}  // namespace sluice::sessions
