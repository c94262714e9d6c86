#include "gateway/proxy/termination.h"

#include <gtest/gtest.h>

#include "gateway/websocket/handshake.h"

namespace sluice::proxy {
namespace {

using Compression = config::WebSocketRules::Compression;

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==", kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";  // RFC 6455 1.3

http::RequestHead handshake(std::initializer_list<std::pair<std::string_view, std::string_view>> more) {
  http::RequestHead request;
  request.method = "GET";
  request.target = request.path = "/";
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Upgrade", "websocket");
  request.headers.add("Sec-WebSocket-Version", "13");
  request.headers.add("Sec-WebSocket-Key", kKey);
  for (const auto& [name, value] : more) request.headers.add(name, value);
  return request;
}

TEST(Termination, AsksTheBackendWithAHandshakeOfItsOwn) {
  http::RequestHead request = handshake({{"Sec-WebSocket-Extensions", "permessage-deflate"}, {"sec-websocket-extensions", "foo"}});
  const Termination termination({.compression = Compression::offload}, request.headers);
  EXPECT_EQ(websocket::check_request(request), websocket::HandshakeError::none);
  EXPECT_NE(request.headers.find("Sec-WebSocket-Key"), kKey);
  EXPECT_FALSE(request.headers.contains("Sec-WebSocket-Extensions"));
  ASSERT_TRUE(termination.deflate());
  http::Headers response;
  response.add("Sec-WebSocket-Accept", websocket::accept_for(*request.headers.find("Sec-WebSocket-Key")));
  termination.answer(response);
  EXPECT_EQ(response.count("Sec-WebSocket-Accept"), 1u);
  EXPECT_EQ(response.find("Sec-WebSocket-Accept"), kAccept);
  EXPECT_EQ(response.find("Sec-WebSocket-Extensions"), "permessage-deflate");
}

TEST(Termination, AgreesOnNoExtensionUnlessTheRouteOffloads) {
  for (const std::optional<Compression> compression : {std::optional<Compression>(), std::optional(Compression::off)}) {
    http::RequestHead request = handshake({{"Sec-WebSocket-Extensions", "permessage-deflate"}});
    const Termination termination({.compression = compression}, request.headers);
    EXPECT_FALSE(termination.deflate());
    http::Headers response;
    termination.answer(response);
    EXPECT_FALSE(response.contains("Sec-WebSocket-Extensions"));
  }
}

TEST(Termination, ChoosesTheFirstOfTheClientsSubprotocolsThatTheRouteKnows) {
  http::RequestHead request = handshake({{"Sec-WebSocket-Protocol", "mqtt, chat.v1"}, {"Sec-WebSocket-Protocol", "chat.v2"}});
  const Termination termination({.subprotocols = {"chat.v2", "chat.v1"}}, request.headers);
  EXPECT_EQ(request.headers.count("Sec-WebSocket-Protocol"), 1u);
  EXPECT_EQ(request.headers.find("Sec-WebSocket-Protocol"), "chat.v1");
  http::Headers response;
  termination.answer(response);
  EXPECT_EQ(response.find("Sec-WebSocket-Protocol"), "chat.v1");
}

TEST(Termination, LeavesTheSubprotocolToTheBackendWhereTheRouteKnowsNone) {
  http::RequestHead request = handshake({{"Sec-WebSocket-Protocol", "mqtt, chat"}});
  const Termination termination({}, request.headers);
  EXPECT_EQ(request.headers.find("Sec-WebSocket-Protocol"), "mqtt, chat");
  http::Headers response;
  response.add("Sec-WebSocket-Protocol", "chat");
  termination.answer(response);
  EXPECT_EQ(response.find("Sec-WebSocket-Protocol"), "chat");
}

TEST(Termination, MakesAnotherKeyEachTime) {
  EXPECT_NE(websocket::make_key(), websocket::make_key());
  EXPECT_EQ(websocket::make_key().size(), 24u);
}

}  // namespace
}  // namespace sluice::proxy
