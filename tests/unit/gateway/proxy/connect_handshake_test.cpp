#include "gateway/proxy/connect_handshake.h"

#include <gmock/gmock.h>

#include "gateway/websocket/handshake.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";

http::RequestHead handshake() {
  http::RequestHead request;
  request.method = "GET";
  for (const auto& [name, value] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"Host", "a.example"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Protocol", "chat"},
           {"Sec-WebSocket-Key", kKey}, {"sec-websocket-accept", "x"}, {"Content-Length", "0"},
           {"X-A", "1"}, {"X-A", "2"}, {"Connection", "Upgrade"}, {"Upgrade", "websocket"}}) {
    request.headers.add(name, value);
  }
  return request;
}

TEST(ConnectHandshake, LeavesOutWhatHttp1NeedsForIt) {
  const http::RequestHead request = handshake();
  std::vector<std::string> names;
  for (const http::Field& field : connect_headers(request.headers)) names.emplace_back(field.name);
  EXPECT_THAT(names, ::testing::ElementsAre("Host", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "X-A", "X-A"));
}

TEST(ConnectHandshake, MakesASwitchThatIsTheAnswer) {
  const http::RequestHead request = handshake();
  http::ResponseHead response;
  response.status = 204;
  response.version = http::Version::http_2;
  response.body = {http::BodyKind::chunked, 0};
  response.headers.add("Sec-WebSocket-Protocol", "chat");
  response.headers.add("Sec-WebSocket-Accept", "of the backend");
  make_switch(response, request.headers);
  EXPECT_EQ(response.status, 101U);
  EXPECT_EQ(response.body.kind, http::BodyKind::none);
  EXPECT_EQ(response.headers.find("Sec-WebSocket-Accept"), websocket::accept_for(kKey));
  EXPECT_EQ(websocket::check_response(request, response), websocket::HandshakeError::none);
  response.headers.set("Sec-WebSocket-Protocol", "other");
  EXPECT_EQ(websocket::check_response(request, response), websocket::HandshakeError::unoffered_subprotocol);
}

}  // namespace
}  // namespace sluice::proxy
