// The request that `sluice explain` is asked about, as a client of HTTP/2 would send it: read by the code that reads those. No I/O.
#pragma once

#include "config/limits_config.h"
#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"

namespace sluice::commands {

// `written`: the same request on HTTP/1.1; the handshake of a WebSocket becomes an extended CONNECT (RFC 8441). Throws InputError
// when it has a field that clients of HTTP/2 must not send. Nothing in `head` is a view into `written`.
http::ParseError read_as_http2(const http::RequestHead& written, bool secure, const config::Limits& limits, http::RequestHead& head);

}  // namespace sluice::commands
