// Whether the page that opens a WebSocket may: its Origin (RFC 6454) against the route's websocket.origins (RFC
// 6455 10.2). No I/O.
#pragma once

#include <string_view>
#include <vector>

#include "config/route_config.h"
#include "gateway/http/forwarded.h"
#include "gateway/http/headers.h"

namespace sluice::websocket {

// A request without the field passes: browsers, whose users this protects, always send it, and whoever can leave it out
// can forge it as well. One that comes twice, is `null` or malformed is nobody's. `request`: what the client is
// believed to have asked for. An empty list allows any.
bool origin_allowed(const std::vector<config::AllowedOrigin>& allowed, const http::Headers& headers,
                    const http::Origin& request) noexcept;

}  // namespace sluice::websocket
