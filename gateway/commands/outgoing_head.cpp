#include "gateway/commands/outgoing_head.h"

#include <algorithm>

#include "gateway/http/characters.h"
#include "gateway/http2/request_fields.h"
#include "gateway/proxy/connect_handshake.h"

namespace sluice::commands {
namespace {

OutgoingHead written_out(const http2::OutgoingRequest& request) {
  OutgoingHead head;
  head.request_line = std::string(request.method) + " " + std::string(request.target) + " HTTP/2";
  for (const auto& field : http2::request_fields(request)) {
    std::string name(reinterpret_cast<const char*>(field.name), field.namelen);
    if (name == ":method" || name == ":path") continue;
    std::transform(name.begin(), name.end(), name.begin(), http::to_lower);
    head.fields.emplace_back(std::move(name), std::string(reinterpret_cast<const char*>(field.value), field.valuelen));
  }
  return head;
}

}  // namespace

Pairs pairs_of(const http::Headers& headers) {
  Pairs pairs;
  for (const http::Field& field : headers) pairs.emplace_back(field.name, field.value);
  return pairs;
}

OutgoingHead http1_head(const http::RequestHead& request, const std::string& target) {
  return {std::string(request.method) + " " + target + " HTTP/1.1", pairs_of(request.headers)};
}

OutgoingHead http2_head(const http::RequestHead& request, const std::string& target, const Http2Facts& facts) {
  const std::string_view scheme = facts.secure ? "https" : "http";
  if (!facts.websocket) return written_out({request.method, scheme, target, request.headers, facts.accepts_trailers});
  const http::Headers handshake = proxy::connect_headers(request.headers);
  return written_out({.method = "CONNECT", .scheme = scheme, .target = target, .headers = handshake, .protocol = "websocket"});
}

}  // namespace sluice::commands
