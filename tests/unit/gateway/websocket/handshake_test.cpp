#include "gateway/websocket/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sluice::websocket {
namespace {

// The example of RFC 6455 1.3.
constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

http::RequestHead valid_request() {
  http::RequestHead request;
  request.method = "GET";
  request.target = request.path = "/chat";
  request.headers.add("Host", "example.com");
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Upgrade", "websocket");
  request.headers.add("Sec-WebSocket-Version", "13");
  request.headers.add("Sec-WebSocket-Key", kKey);
  return request;
}

http::ResponseHead valid_response() {
  http::ResponseHead response;
  response.status = 101;
  response.headers.add("Connection", "Upgrade");
  response.headers.add("Upgrade", "websocket");
  response.headers.add("Sec-WebSocket-Accept", kAccept);
  return response;
}

HandshakeError check_with(std::string_view field, std::string_view value) {
  http::RequestHead request = valid_request();
  request.headers.set(field, value);
  return check_request(request);
}

HandshakeError check_without(std::string_view field) {
  http::RequestHead request = valid_request();
  request.headers.remove(field);
  return check_request(request);
}

HandshakeError answer_with(std::string_view field, std::string_view value) {
  http::ResponseHead response = valid_response();
  response.headers.set(field, value);
  return check_response(valid_request(), response);
}

UpgradeKind kind_of(std::string_view connection, std::string_view upgrade) {
  http::RequestHead request;
  request.method = "GET";
  if (!connection.empty()) request.headers.add("Connection", connection);
  if (!upgrade.empty()) request.headers.add("Upgrade", upgrade);
  return upgrade_kind(request);
}

TEST(HandshakeErrors, EachHasANameATextAndAStatus) {
  std::set<std::string_view> names;
  for (unsigned i = 0; i < static_cast<unsigned>(HandshakeError::count_); ++i) {
    const auto error = static_cast<HandshakeError>(i);
    EXPECT_FALSE(name_of(error).empty()) << i;
    EXPECT_FALSE(describe(error).empty()) << i;
    EXPECT_TRUE(names.insert(name_of(error)).second) << name_of(error);
  }
  EXPECT_EQ(name_of(HandshakeError::repeated_key), "repeated_key");
  EXPECT_EQ(name_of(HandshakeError::bad_upgrade), "bad_upgrade");
  EXPECT_EQ(name_of(HandshakeError::unasked), "unasked");
  EXPECT_EQ(status_of(HandshakeError::none), 101u);
  EXPECT_EQ(status_of(HandshakeError::not_get), 400u);
  EXPECT_EQ(status_of(HandshakeError::bad_key), 400u);
  EXPECT_EQ(status_of(HandshakeError::bad_version), 426u);
  EXPECT_EQ(status_of(HandshakeError::bad_upgrade), 502u);
  EXPECT_EQ(status_of(HandshakeError::unasked), 502u);
}

TEST(UpgradeKind, NeedsConnectionToNameUpgrade) {
  EXPECT_EQ(kind_of("", ""), UpgradeKind::none);
  EXPECT_EQ(kind_of("keep-alive", ""), UpgradeKind::none);
  EXPECT_EQ(kind_of("upgrade", ""), UpgradeKind::none);
  EXPECT_EQ(kind_of("", "websocket"), UpgradeKind::none);
  EXPECT_EQ(kind_of("keep-alive", "websocket"), UpgradeKind::none);
  EXPECT_EQ(kind_of("keep-alive", "h2c"), UpgradeKind::none);
  EXPECT_EQ(kind_of("not-upgrade", "websocket"), UpgradeKind::none);
}

TEST(UpgradeKind, WebSocketInAnyCaseAndPosition) {
  EXPECT_EQ(kind_of("Upgrade", "websocket"), UpgradeKind::websocket);
  EXPECT_EQ(kind_of("keep-alive, uPGRADE", "WebSocket"), UpgradeKind::websocket);
  EXPECT_EQ(kind_of("upgrade", "h2c, websocket"), UpgradeKind::websocket);
  EXPECT_EQ(kind_of("upgrade , close", "WEBSOCKET ,h2c"), UpgradeKind::websocket);
}

TEST(UpgradeKind, WebSocketOnAFieldLineOfItsOwn) {
  http::RequestHead request;
  request.headers.add("Connection", "keep-alive");
  request.headers.add("Connection", "upgrade");
  request.headers.add("Upgrade", "h2c");
  request.headers.add("Upgrade", "websocket");
  EXPECT_EQ(upgrade_kind(request), UpgradeKind::websocket);
}

TEST(UpgradeKind, AnythingElseIsOther) {
  EXPECT_EQ(kind_of("upgrade, HTTP2-Settings", "h2c"), UpgradeKind::other);
  EXPECT_EQ(kind_of("upgrade", "TLS/1.3, IRC/6.9"), UpgradeKind::other);
  EXPECT_EQ(kind_of("upgrade", "websocket/13"), UpgradeKind::other);
  EXPECT_EQ(kind_of("upgrade", "xwebsocket"), UpgradeKind::other);
}

TEST(UpgradeKind, AKeyWithoutConnectionUpgradeIsABrokenHandshake) {
  http::RequestHead request = valid_request();
  request.headers.set("Connection", "keep-alive");
  EXPECT_EQ(upgrade_kind(request), UpgradeKind::websocket);
  EXPECT_EQ(check_request(request), HandshakeError::missing_connection_upgrade);
  request.headers.set("Upgrade", "h2c");
  EXPECT_EQ(upgrade_kind(request), UpgradeKind::none);
}

TEST(UpgradeKind, OldVersionsAndOtherMethodsAreLeftToTheCheck) {
  http::RequestHead request = valid_request();
  request.version = http::Version::http_1_0;
  EXPECT_EQ(upgrade_kind(request), UpgradeKind::websocket);
  request = valid_request();
  request.method = "POST";
  EXPECT_EQ(upgrade_kind(request), UpgradeKind::websocket);
}

TEST(CheckRequest, AValidOne) {
  EXPECT_EQ(check_request(valid_request()), HandshakeError::none);
  EXPECT_EQ(check_with("Connection", "keep-alive, UPGRADE"), HandshakeError::none);
  EXPECT_EQ(check_with("Upgrade", "h2c, WebSocket"), HandshakeError::none);
}

TEST(CheckRequest, Method) {
  for (const char* method : {"POST", "HEAD", "get", "CONNECT", ""}) {
    http::RequestHead request = valid_request();
    request.method = method;
    EXPECT_EQ(check_request(request), HandshakeError::not_get) << method;
  }
}

TEST(CheckRequest, Version) {
  http::RequestHead request = valid_request();
  request.version = http::Version::http_1_0;
  EXPECT_EQ(check_request(request), HandshakeError::not_http_1_1);
  request.version = http::Version::http_2;  // from an extended CONNECT
  EXPECT_EQ(check_request(request), HandshakeError::none);
}

TEST(CheckRequest, Body) {
  http::RequestHead request = valid_request();
  request.body = {http::BodyKind::length, 0};
  EXPECT_EQ(check_request(request), HandshakeError::none) << "Content-Length: 0 is no body";
  request.body = {http::BodyKind::length, 1};
  EXPECT_EQ(check_request(request), HandshakeError::has_body);
  request.body = {http::BodyKind::chunked, 0};
  EXPECT_EQ(check_request(request), HandshakeError::has_body);
  request.body = {};
  request.headers.add("Transfer-Encoding", "identity");
  EXPECT_EQ(check_request(request), HandshakeError::has_body);
}

TEST(CheckRequest, ConnectionAndUpgrade) {
  EXPECT_EQ(check_without("Connection"), HandshakeError::missing_connection_upgrade);
  EXPECT_EQ(check_with("Connection", "keep-alive"), HandshakeError::missing_connection_upgrade);
  EXPECT_EQ(check_with("Connection", "upgraded"), HandshakeError::missing_connection_upgrade);
  EXPECT_EQ(check_without("Upgrade"), HandshakeError::missing_connection_upgrade);
  EXPECT_EQ(check_with("Upgrade", "websocket, websocket"), HandshakeError::repeated_upgrade);
  http::RequestHead request = valid_request();
  request.headers.add("Upgrade", "WebSocket");
  EXPECT_EQ(check_request(request), HandshakeError::repeated_upgrade);
}

TEST(CheckRequest, WebSocketVersion) {
  EXPECT_EQ(check_without("Sec-WebSocket-Version"), HandshakeError::bad_version);
  for (const char* version : {"8", "14", "013", "13, 8", "", "13 13"}) {
    EXPECT_EQ(check_with("Sec-WebSocket-Version", version), HandshakeError::bad_version) << version;
  }
  http::RequestHead request = valid_request();
  request.headers.add("Sec-WebSocket-Version", "13");
  EXPECT_EQ(check_request(request), HandshakeError::bad_version) << "repeated";
}

TEST(CheckRequest, Key) {
  EXPECT_EQ(check_without("Sec-WebSocket-Key"), HandshakeError::missing_key);
  EXPECT_EQ(check_with("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAA/=="), HandshakeError::none)
      << "the unused bits of the last character may be set";
  for (const char* key : {
           "",
           "dGhlIHNhbXBsZSBub25j",              // 15 bytes
           "dGhlIHNhbXBsZSBub25jZXM=",          // 17 bytes
           "dGhlIHNhbXBsZSBub25jZQ=",           // short of padding
           "dGhlIHNhbXBsZSBub25jZQ===",         // too much of it
           "dGhlIHNhbXBsZSBub25jZQaa",          // 18 bytes
           "dGhlIHNhbXBsZSBub25j=Q==",          // padding inside
           "dGhlIHNhbXBsZSBub25jZ-==",          // base64url
           "dGhlIHNhbXBs SBub25jZQ==",          // white space
           "dGhlIHNhbXBsZSBub25jZQ==, second",  // a list
       }) {
    EXPECT_EQ(check_with("Sec-WebSocket-Key", key), HandshakeError::bad_key) << key;
  }
  http::RequestHead request = valid_request();
  request.headers.add("Sec-WebSocket-Key", kKey);
  EXPECT_EQ(check_request(request), HandshakeError::repeated_key);
}

TEST(AcceptFor, TheExampleOfTheRfc) { EXPECT_EQ(accept_for(kKey), kAccept); }

TEST(CheckResponse, AValidOne) {
  EXPECT_EQ(check_response(valid_request(), valid_response()), HandshakeError::none);
  EXPECT_EQ(answer_with("Upgrade", "WebSocket"), HandshakeError::none);
  EXPECT_EQ(answer_with("Connection", "keep-alive, upgrade"), HandshakeError::none);
}

TEST(CheckResponse, Version) {
  http::ResponseHead response = valid_response();
  response.version = http::Version::http_1_0;
  EXPECT_EQ(check_response(valid_request(), response), HandshakeError::old_response);
}

TEST(CheckResponse, UpgradeIsExactlyWebSocket) {
  for (const char* upgrade : {"", "h2c", "websocket, h2c", "websocket, websocket", "websocket/13"}) {
    EXPECT_EQ(answer_with("Upgrade", upgrade), HandshakeError::bad_upgrade) << upgrade;
  }
  http::ResponseHead response = valid_response();
  response.headers.remove("Upgrade");
  EXPECT_EQ(check_response(valid_request(), response), HandshakeError::bad_upgrade);
}

TEST(CheckResponse, ConnectionNamesUpgrade) {
  EXPECT_EQ(answer_with("Connection", "close"), HandshakeError::bad_connection);
  http::ResponseHead response = valid_response();
  response.headers.remove("Connection");
  EXPECT_EQ(check_response(valid_request(), response), HandshakeError::bad_connection);
}

TEST(CheckResponse, AcceptBelongsToTheKey) {
  EXPECT_EQ(answer_with("Sec-WebSocket-Accept", ""), HandshakeError::bad_accept);
  EXPECT_EQ(answer_with("Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="), HandshakeError::bad_accept);
  EXPECT_EQ(answer_with("Sec-WebSocket-Accept", std::string(kAccept) + "="), HandshakeError::bad_accept);
  http::ResponseHead response = valid_response();
  response.headers.add("Sec-WebSocket-Accept", kAccept);
  EXPECT_EQ(check_response(valid_request(), response), HandshakeError::bad_accept) << "repeated";
  response.headers.remove("Sec-WebSocket-Accept");
  EXPECT_EQ(check_response(valid_request(), response), HandshakeError::bad_accept);
}

TEST(CheckResponse, Unasked) {
  http::RequestHead request = valid_request();
  request.headers.remove("Upgrade");
  EXPECT_EQ(check_response(request, valid_response()), HandshakeError::unasked);
  request = valid_request();
  request.headers.set("Upgrade", "h2c");
  EXPECT_EQ(check_response(request, valid_response()), HandshakeError::unasked);
  request = valid_request();
  request.headers.remove("Connection");
  EXPECT_EQ(check_response(request, valid_response()), HandshakeError::unasked);
}

HandshakeError answer_subprotocol(std::string_view offered, std::string_view chosen) {
  http::RequestHead request = valid_request();
  if (!offered.empty()) request.headers.add("Sec-WebSocket-Protocol", offered);
  http::ResponseHead response = valid_response();
  response.headers.add("Sec-WebSocket-Protocol", chosen);
  return check_response(request, response);
}

TEST(CheckResponse, SubprotocolIsOneOfThoseOffered) {
  EXPECT_EQ(answer_subprotocol("chat", "chat"), HandshakeError::none);
  EXPECT_EQ(answer_subprotocol("mqtt, chat.v2", "chat.v2"), HandshakeError::none);
  EXPECT_EQ(answer_subprotocol("", "chat"), HandshakeError::unoffered_subprotocol);
  EXPECT_EQ(answer_subprotocol("mqtt", "chat"), HandshakeError::unoffered_subprotocol);
  EXPECT_EQ(answer_subprotocol("chat", "Chat"), HandshakeError::unoffered_subprotocol);
  EXPECT_EQ(answer_subprotocol("chat, mqtt", "chat, mqtt"), HandshakeError::unoffered_subprotocol)
      << "not a single one";
  EXPECT_EQ(answer_subprotocol("chat", ""), HandshakeError::unoffered_subprotocol);
}

TEST(CheckResponse, SubprotocolOnSeveralLines) {
  http::RequestHead request = valid_request();
  request.headers.add("Sec-WebSocket-Protocol", "mqtt");
  request.headers.add("sec-websocket-protocol", "chat");
  EXPECT_EQ(check_response(request, valid_response()), HandshakeError::none) << "the backend may choose none";
  http::ResponseHead response = valid_response();
  response.headers.add("Sec-WebSocket-Protocol", "chat");
  EXPECT_EQ(check_response(request, response), HandshakeError::none);
  response.headers.add("Sec-WebSocket-Protocol", "chat");
  EXPECT_EQ(check_response(request, response), HandshakeError::unoffered_subprotocol);
}

bool extensions_pass(std::string_view offered, std::string_view chosen) {
  http::RequestHead request = valid_request();
  if (!offered.empty()) request.headers.add("Sec-WebSocket-Extensions", offered);
  http::ResponseHead response = valid_response();
  response.headers.add("Sec-WebSocket-Extensions", chosen);
  const HandshakeError error = check_response(request, response);
  EXPECT_TRUE(error == HandshakeError::none || error == HandshakeError::unoffered_extension)
      << name_of(error);
  return error == HandshakeError::none;
}

TEST(CheckResponse, ExtensionsWereOffered) {
  EXPECT_TRUE(extensions_pass("", ""));
  EXPECT_TRUE(extensions_pass("foo; a=1, bar", "bar"));
  EXPECT_TRUE(extensions_pass("foo; a=1, bar", "foo; a=2; c, bar"));
  EXPECT_TRUE(extensions_pass("foo; a=\"1\"", "foo ;a"));
  EXPECT_FALSE(extensions_pass("", "permessage-deflate"));
  EXPECT_FALSE(extensions_pass("foo", "bar"));
  EXPECT_FALSE(extensions_pass("foo", "foo, bar"));
  EXPECT_FALSE(extensions_pass("foo; bar", "bar")) << "a parameter is no offer";
  EXPECT_FALSE(extensions_pass("permessage-deflate-2", "permessage-deflate"));
}

TEST(CheckResponse, DeflateParameters) {
  constexpr std::string_view kBrowser = "permessage-deflate; client_max_window_bits";
  EXPECT_TRUE(extensions_pass(kBrowser, "permessage-deflate"));
  EXPECT_TRUE(extensions_pass(kBrowser,
                              "permessage-deflate; client_max_window_bits=15; server_max_window_bits=\"8\""));
  EXPECT_TRUE(extensions_pass("permessage-deflate",
                              "permessage-deflate; server_no_context_takeover; client_no_context_takeover"));
  EXPECT_TRUE(extensions_pass(
      "permessage-deflate; server_max_window_bits=10, permessage-deflate; client_max_window_bits",
      "permessage-deflate; client_max_window_bits=9"));
  EXPECT_FALSE(extensions_pass("permessage-deflate", "permessage-deflate; client_max_window_bits=12"));
  for (const char* bits : {"7", "16", "08", "x", "", "\"\"", "+9"}) {
    EXPECT_FALSE(extensions_pass(kBrowser, "permessage-deflate; server_max_window_bits=" + std::string(bits)))
        << bits;
  }
  EXPECT_FALSE(extensions_pass(kBrowser, "permessage-deflate; server_max_window_bits"));
  EXPECT_FALSE(extensions_pass(kBrowser, "permessage-deflate; server_no_context_takeover=1"));
  EXPECT_FALSE(extensions_pass(kBrowser,
                               "permessage-deflate; server_no_context_takeover; server_no_context_takeover"));
  EXPECT_FALSE(extensions_pass(kBrowser, "permessage-deflate; unknown"));
  EXPECT_FALSE(extensions_pass(kBrowser, "permessage-deflate, permessage-deflate"));
}

TEST(CheckResponse, ExtensionsOnSeveralLines) {
  http::RequestHead request = valid_request();
  request.headers.add("Sec-WebSocket-Extensions", "foo");
  request.headers.add("Sec-WebSocket-Extensions", "bar");
  http::ResponseHead response = valid_response();
  response.headers.add("Sec-WebSocket-Extensions", "bar");
  EXPECT_EQ(check_response(request, response), HandshakeError::none);
  response.headers.add("Sec-WebSocket-Extensions", "baz");
  EXPECT_EQ(check_response(request, response), HandshakeError::unoffered_extension);
}

TEST(CheckResponse, AnEchoedOfferOfThousandsIsRefused) {
  std::string offer = "a";
  for (int i = 0; i < 30000; ++i) offer += ",a";
  EXPECT_FALSE(extensions_pass(offer, offer));
}

}  // namespace
}  // namespace sluice::websocket
