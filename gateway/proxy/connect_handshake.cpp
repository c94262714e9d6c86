#include "gateway/proxy/connect_handshake.h"

#include <algorithm>
#include <iterator>

#include "gateway/websocket/handshake.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kKey = "Sec-WebSocket-Key", kAccept = "Sec-WebSocket-Accept";

}  // namespace

// A handshake may say that its body has no bytes, where a CONNECT may have no length.
http::Headers connect_headers(const http::Headers& handshake) {
  constexpr std::string_view kLeftOut[] = {kKey, kAccept, "Content-Length", "Connection", "Upgrade"};
  http::Headers headers;
  for (const http::Field& field : handshake) {
    const bool left_out = std::any_of(std::begin(kLeftOut), std::end(kLeftOut),
                                      [&field](std::string_view name) { return http::equals_ignore_case(field.name, name); });
    if (!left_out) headers.add_view(field.name, field.value);
  }
  return headers;
}

void make_switch(http::ResponseHead& response, const http::Headers& handshake) {
  response.status = 101;
  response.body = {};
  response.headers.set("Connection", "Upgrade");
  response.headers.set("Upgrade", "websocket");
  response.headers.set(kAccept, websocket::accept_for(handshake.find(kKey).value_or("")));
}

}  // namespace sluice::proxy
