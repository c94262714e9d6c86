// What matchers look at. Views live as long as the request's head.
#pragma once

#include <string_view>

#include "gateway/http/headers.h"

namespace sluice::routing {

struct RouteInput {
  std::string_view listener;
  std::string_view host;  // without port, any case
  std::string_view path;  // normalised
  std::string_view method;
  std::string_view query;  // as it came
  bool websocket = false;  // the request is a WebSocket upgrade
  const http::Headers* headers = nullptr;
  bool peer_trusted = false;  // what it says in forwarding fields is believed
};

}  // namespace sluice::routing
