#include "gateway/sessions/extended_connect.h"

#include "gateway/websocket/handshake.h"

namespace sluice::sessions {
namespace {

constexpr std::string_view kWebSocket = "websocket";
constexpr std::string_view kKey = "Sec-WebSocket-Key", kAccept = "Sec-WebSocket-Accept";

}  // namespace

bool asks_for_websocket(const http::RequestHead& request) noexcept { return http::equals_ignore_case(request.protocol, kWebSocket); }

void make_upgrade(http::RequestHead& request) {
  request.method = "GET";
  request.headers.remove(kAccept);
  request.headers.set(kKey, websocket::make_key());
  request.headers.add_view("Connection", "Upgrade");
  request.headers.add_view("Upgrade", kWebSocket);
}

void remove_upgrade_answer(http::Headers& headers) {
  for (const std::string_view name : {kAccept, std::string_view("Connection"), std::string_view("Upgrade"), std::string_view("Content-Length")}) {
    headers.remove(name);
  }
}

}  // namespace sluice::sessions
