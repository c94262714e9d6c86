// `subprotocols`: a WebSocket client that offers one of them (RFC 6455 11.3.4: names are compared as they are written).
#pragma once

#include <string>
#include <vector>

#include "gateway/http/headers.h"

namespace sluice::routing {

// An empty list matches every request, a filled one upgrades only.
bool subprotocols_match(const std::vector<std::string>& wanted, bool is_websocket, const http::Headers* headers);

}  // namespace sluice::routing
