// Fields that belong to one connection and are never forwarded (RFC 9110 7.6.1).
#pragma once

#include <string_view>
#include <vector>

#include "gateway/http/headers.h"

namespace sluice::http {

// Removes Connection and every field it names, Keep-Alive, Proxy-Connection, Proxy-Authenticate, Proxy-Authorization,
// TE, Trailer, Transfer-Encoding, Upgrade, HTTP2-Settings. Call it before forwarding fields are added. Connection
// cannot be used to remove fields that the gateway relies on (Host, Content-Length, Cookie, Authorization, X-Forwarded-*,
// Forwarded, X-Real-IP, X-Request-Id, Sec-WebSocket-*): a request that names one of those is left with the field kept.
// At most 32 other names in Connection are heeded. Returns these, which hold for the trailers of the message as well:
// views into the bytes of its fields.
std::vector<std::string_view> remove_hop_by_hop(Headers& headers);
// Field names with '_' : CGI-style backends cannot tell them from '-'.
void remove_underscored(Headers& headers);
// Whether a trailer field of that name may be forwarded (RFC 9110 6.5.1).
bool allowed_in_trailers(std::string_view name) noexcept;

}  // namespace sluice::http
