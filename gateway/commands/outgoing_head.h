// The head of a request as a backend gets it, over either version of HTTP. Pure functions of a request that was made ready for it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/http/message.h"

namespace sluice::commands {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct OutgoingHead {
  std::string request_line;  // over HTTP/2 `METHOD PATH HTTP/2`, of ":method" and ":path"
  Pairs fields;              // over HTTP/2 in lower case, the other pseudo fields first
};

Pairs pairs_of(const http::Headers& headers);

OutgoingHead http1_head(const http::RequestHead& request, const std::string& target);

struct Http2Facts {
  bool secure = false;            // the endpoint is https
  bool websocket = false;         // the request is a handshake: it becomes an extended CONNECT (RFC 8441)
  bool accepts_trailers = false;  // the client has said so
};
OutgoingHead http2_head(const http::RequestHead& request, const std::string& target, const Http2Facts& facts);

}  // namespace sluice::commands
