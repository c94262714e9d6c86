#include "gateway/http/forwarded.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace sluice::http {
namespace {

config::Cidr cidr(const std::string& address, unsigned length) {
  config::Cidr block;
  EXPECT_TRUE(config::parse_ip(address, block.bytes, block.v6));
  block.prefix_length = length;
  return block;
}

const std::vector<config::Cidr>& trusted_blocks() {
  static const std::vector<config::Cidr> blocks = {cidr("10.0.0.0", 8), cidr("2001:db8::", 32)};
  return blocks;
}

Peer trusted_peer() { return {"10.0.0.1", "http", "app.example", true}; }
Peer stranger() { return {"192.0.2.7", "https", "app.example:8443", false}; }

Headers with(std::initializer_list<Field> fields) {
  Headers headers;
  for (const Field& field : fields) headers.add(field.name, field.value);
  return headers;
}

Origin origin_of(Headers& headers, const Peer& peer) { return find_origin(headers, peer, trusted_blocks(), "new-id"); }

std::string value(const Headers& headers, std::string_view name) {
  EXPECT_EQ(headers.count(name), 1U) << name;
  return std::string(headers.find(name).value_or("(none)"));
}

TEST(FindOrigin, AStrangerIsBelievedNothing) {
  Headers headers = with({{"X-Forwarded-For", "1.1.1.1"},
                                {"X-Forwarded-Proto", "http"},
                                {"X-Forwarded-Host", "evil.example"},
                                {"Forwarded", "for=1.1.1.1;proto=http;host=evil.example"},
                                {"X-Request-Id", "theirs"}});
  const Origin origin = origin_of(headers, stranger());
  EXPECT_EQ(origin.client_ip, "192.0.2.7");
  EXPECT_EQ(origin.scheme, "https");
  EXPECT_EQ(origin.host, "app.example:8443");
  EXPECT_EQ(origin.request_id, "new-id");
}

TEST(FindOrigin, TheRightmostUntrustedAddress) {
  const struct {
    std::vector<std::string> lines;
    std::string_view client;
  } cases[] = {
      {{}, "10.0.0.1"},
      {{"1.1.1.1"}, "1.1.1.1"},
      {{"1.1.1.1, 2.2.2.2"}, "2.2.2.2"},
      {{"1.1.1.1, 10.0.0.2"}, "1.1.1.1"},
      {{"9.9.9.9, 1.1.1.1, 10.0.0.3,10.0.0.2"}, "1.1.1.1"},
      {{"1.1.1.1", "2.2.2.2"}, "2.2.2.2"},
      {{"1.1.1.1", "10.0.0.2"}, "1.1.1.1"},
      {{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
      {{"1.1.1.1:1234, 10.0.0.2:80"}, "1.1.1.1"},
      {{"2001:4860::1"}, "2001:4860::1"},
      {{"[2001:4860::1]:443"}, "2001:4860::1"},
      {{"[2001:4860::1]"}, "2001:4860::1"},
      {{"2001:4860:0:0::A"}, "2001:4860::a"},
      {{"::ffff:1.1.1.1"}, "1.1.1.1"},
      {{"1.1.1.1, ::ffff:10.0.0.2"}, "1.1.1.1"},
      {{"1.1.1.1, 2001:db8::5"}, "1.1.1.1"},
      {{"unknown"}, "10.0.0.1"},
      {{"1.1.1.1, garbage, 10.0.0.2"}, "10.0.0.2"},
      {{"[2001:4860::1]evil"}, "10.0.0.1"},
      {{"[2001:4860::1]:"}, "10.0.0.1"},
      {{"6.6.6.6:x y z"}, "10.0.0.1"},
      {{"6.6.6.6:123456"}, "10.0.0.1"},
      {{"6.6.6.6:"}, "10.0.0.1"},
      {{"6.6.6.6:_hidden"}, "6.6.6.6"},
      {{"1.1.1.1, <script>"}, "10.0.0.1"},
      {{"", " , "}, "10.0.0.1"},
      {{"[::1"}, "10.0.0.1"},
  };
  for (const auto& c : cases) {
    Headers headers;
    for (const std::string& line : c.lines) headers.add("X-Forwarded-For", line);
    EXPECT_EQ(origin_of(headers, trusted_peer()).client_ip, c.client) << (c.lines.empty() ? "" : c.lines[0]);
  }
}

TEST(FindOrigin, SchemeAndHostOfTheFirstProxy) {
  const struct {
    std::string_view proto, host, scheme_is, host_is;
  } cases[] = {
      {"https", "a.example", "https", "a.example"},
      {"HTTPS", "a.example:1", "https", "a.example:1"},
      {"wss", "", "https", "app.example"},
      {"ws", "", "http", "app.example"},
      {"gopher", "a b", "http", "app.example"},
      {"http, https", "x.example, y.example", "https", "y.example"},
  };
  for (const auto& c : cases) {
    Headers headers =
        with({{"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-Proto", c.proto}, {"X-Forwarded-Host", c.host}});
    const Origin origin = origin_of(headers, trusted_peer());
    EXPECT_EQ(origin.scheme, c.scheme_is) << c.proto;
    EXPECT_EQ(origin.host, c.host_is) << c.host;
  }
}

TEST(FindOrigin, Forwarded) {
  const struct {
    std::string_view line, client, scheme, host;
  } cases[] = {
      {"for=1.1.1.1", "1.1.1.1", "http", "app.example"},
      {"for=1.1.1.1;proto=https;host=a.example", "1.1.1.1", "https", "a.example"},
      {"For=\"[2001:4860::1]:80\"; Proto=HTTPS ;by=x", "2001:4860::1", "https", "app.example"},
      {"for=9.9.9.9;proto=http;host=evil, for=1.1.1.1;proto=https;host=\"b:1\", for=10.0.0.9;proto=http",
       "1.1.1.1", "https", "b:1"},
      {"for=\"_hidden, for=1.1.1.1\"", "10.0.0.1", "http", "app.example"},
      {"for=_hidden;proto=https", "10.0.0.1", "http", "app.example"},
      {"for=\"1.1.1.1", "10.0.0.1", "http", "app.example"},
      {"for=\"\\", "10.0.0.1", "http", "app.example"},
      {",;=,\"", "10.0.0.1", "http", "app.example"},
  };
  for (const auto& c : cases) {
    Headers headers = with({{"Forwarded", c.line}});
    const Origin origin = origin_of(headers, trusted_peer());
    EXPECT_EQ(origin.client_ip, c.client) << c.line;
    EXPECT_EQ(origin.scheme, c.scheme) << c.line;
    EXPECT_EQ(origin.host, c.host) << c.line;
  }
}

TEST(FindOrigin, ForwardedIsNotAskedBesideXForwardedFor) {
  Headers headers =
      with({{"X-Forwarded-For", "1.1.1.1"}, {"Forwarded", "for=2.2.2.2;proto=https;host=evil.example"}});
  const Origin origin = origin_of(headers, trusted_peer());
  EXPECT_EQ(origin.client_ip, "1.1.1.1");
  EXPECT_EQ(origin.scheme, "http");
  EXPECT_EQ(origin.host, "app.example");
}

TEST(FindOrigin, OnlySaneRequestIdsAreKept) {
  for (const std::string& id : {std::string("a"), std::string("A-b_c.1~+/=:"), std::string(128, 'x')}) {
    Headers headers = with({{"X-Request-Id", id}});
    EXPECT_EQ(origin_of(headers, trusted_peer()).request_id, id);
  }
  for (const std::string& id :
       {std::string(), std::string("a b"), std::string("a,b"), std::string("a\"b"), std::string(129, 'x')}) {
    Headers headers = with({{"X-Request-Id", id}});
    EXPECT_EQ(origin_of(headers, trusted_peer()).request_id, "new-id");
  }
}

TEST(SetForwardingFields, StartAnewBehindAStranger) {
  Headers headers = with({{"X-Forwarded-For", "1.1.1.1"},
                          {"x-forwarded-port", "1"},
                          {"X-Forwarded-Prefix", "/evil"},
                          {"Forwarded", "for=1.1.1.1"},
                          {"X-Real-IP", "1.1.1.1"},
                          {"X-Request-Id", "theirs"},
                          {"Via", "1.0 fred"},
                          {"Accept", "*/*"}});
  set_forwarding_fields(headers, stranger(), origin_of(headers, stranger()), "1.1");
  EXPECT_EQ(value(headers, "X-Forwarded-For"), "192.0.2.7");
  EXPECT_EQ(value(headers, "X-Forwarded-Proto"), "https");
  EXPECT_EQ(value(headers, "X-Forwarded-Host"), "app.example:8443");
  EXPECT_EQ(value(headers, "Forwarded"), "for=192.0.2.7;host=\"app.example:8443\";proto=https");
  EXPECT_EQ(value(headers, "X-Real-IP"), "192.0.2.7");
  EXPECT_EQ(value(headers, "X-Request-Id"), "new-id");
  EXPECT_EQ(value(headers, "Via"), "1.0 fred, 1.1 sluice");
  EXPECT_FALSE(headers.contains("X-Forwarded-Port"));
  EXPECT_FALSE(headers.contains("X-Forwarded-Prefix"));
  EXPECT_TRUE(headers.contains("Accept"));
}

TEST(SetForwardingFields, AppendBehindATrustedProxy) {
  Headers headers = with({{"X-Forwarded-For", "9.9.9.9"},
                          {"X-Forwarded-For", "1.1.1.1, 10.0.0.5"},
                          {"X-Forwarded-Proto", "https"},
                          {"X-Forwarded-Port", "443"},
                          {"X-Forwarded-Host", "a.example"},
                          {"Forwarded", "for=1.1.1.1"},
                          {"Forwarded", "for=10.0.0.5"},
                          {"X-Request-Id", "theirs"}});
  set_forwarding_fields(headers, trusted_peer(), origin_of(headers, trusted_peer()), "1.0");
  EXPECT_EQ(value(headers, "X-Forwarded-For"), "9.9.9.9, 1.1.1.1, 10.0.0.5, 10.0.0.1");
  EXPECT_EQ(value(headers, "X-Forwarded-Proto"), "https");
  EXPECT_EQ(value(headers, "X-Forwarded-Host"), "a.example");
  EXPECT_EQ(value(headers, "X-Forwarded-Port"), "443");
  EXPECT_EQ(value(headers, "Forwarded"),
            "for=1.1.1.1, for=10.0.0.5, for=10.0.0.1;host=app.example;proto=http");
  EXPECT_EQ(value(headers, "X-Real-IP"), "1.1.1.1");
  EXPECT_EQ(value(headers, "X-Request-Id"), "theirs");
  EXPECT_EQ(value(headers, "Via"), "1.0 sluice");
}

TEST(SetForwardingFields, OneDialectIsCarriedOverToTheOther) {
  Headers headers = with({{"Forwarded", "for=\"[2001:4860::1]\";proto=https"}});
  set_forwarding_fields(headers, trusted_peer(), origin_of(headers, trusted_peer()), "1.1");
  EXPECT_EQ(value(headers, "X-Forwarded-For"), "2001:4860::1, 10.0.0.1");

  headers = with({{"X-Forwarded-For", "2001:4860::1"}, {"X-Forwarded-Proto", "https"}});
  set_forwarding_fields(headers, trusted_peer(), origin_of(headers, trusted_peer()), "1.1");
  EXPECT_EQ(value(headers, "Forwarded"),
            "for=\"[2001:4860::1]\";host=app.example;proto=https, for=10.0.0.1;host=app.example;proto=http");
}

// An X-Forwarded-For without an address says nothing: the account of Forwarded is carried over all the same.
TEST(SetForwardingFields, CommasAloneAreNoChain) {
  Headers headers = with({{"Forwarded", "for=\"[2001:4860::1]\""}, {"X-Forwarded-For", ","}, {"X-Forwarded-For", " , "}});
  set_forwarding_fields(headers, trusted_peer(), origin_of(headers, trusted_peer()), "1.1");
  EXPECT_EQ(value(headers, "X-Forwarded-For"), "2001:4860::1, 10.0.0.1");
}

TEST(SetForwardingFields, AnOpenQuoteCannotSwallowOurElement) {
  Headers headers = with({{"Forwarded", "for=\"1.1.1.1"}});
  set_forwarding_fields(headers, trusted_peer(), origin_of(headers, trusted_peer()), "1.1");
  EXPECT_EQ(value(headers, "Forwarded"), "for=10.0.0.1;host=app.example;proto=http");
}

TEST(SetForwardingFields, WithoutAHost) {
  Headers headers = with({{"X-Forwarded-Host", "evil"}});
  const Peer peer{"2001:4860::9", "http", "", false};
  set_forwarding_fields(headers, peer, origin_of(headers, peer), "1.0");
  EXPECT_FALSE(headers.contains("X-Forwarded-Host"));
  EXPECT_EQ(value(headers, "Forwarded"), "for=\"[2001:4860::9]\";proto=http");
}

// Whoever reads X-Forwarded-For and X-Real-IP expects addresses.
TEST(SetForwardingFields, APeerOnAUnixSocketHasNoAddress) {
  Headers headers = with({{"X-Forwarded-For", "9.9.9.9"}, {"X-Real-IP", "9.9.9.9"}});
  const Peer peer{kUnixPeer, "http", "app.example", false};
  EXPECT_EQ(origin_of(headers, peer).client_ip, "unix");
  set_forwarding_fields(headers, peer, origin_of(headers, peer), "1.1");
  EXPECT_FALSE(headers.contains("X-Forwarded-For"));
  EXPECT_FALSE(headers.contains("X-Real-IP"));
  EXPECT_EQ(value(headers, "Forwarded"), "for=_unix;host=app.example;proto=http");
}

TEST(SetForwardingFields, ATrustedPeerOnAUnixSocketIsBelieved) {
  Headers headers = with({{"X-Forwarded-For", "9.9.9.9, 1.1.1.1"}, {"X-Forwarded-Proto", "https"}});
  const Peer peer{kUnixPeer, "http", "app.example", true};
  const Origin origin = origin_of(headers, peer);
  EXPECT_EQ(origin.client_ip, "1.1.1.1");
  EXPECT_EQ(origin.scheme, "https");
  set_forwarding_fields(headers, peer, origin, "1.1");
  EXPECT_EQ(value(headers, "X-Forwarded-For"), "9.9.9.9, 1.1.1.1");
  EXPECT_EQ(value(headers, "X-Real-IP"), "1.1.1.1");
  EXPECT_EQ(value(headers, "Forwarded"),
            "for=1.1.1.1;host=app.example;proto=https, for=_unix;host=app.example;proto=http");

  headers = with({{"Accept", "*/*"}});
  EXPECT_EQ(origin_of(headers, peer).client_ip, "unix");
}

TEST(AddVia, Appends) {
  Headers headers;
  add_via(headers, "1.1");
  EXPECT_EQ(value(headers, "Via"), "1.1 sluice");
  add_via(headers, "1.0");
  EXPECT_EQ(value(headers, "Via"), "1.1 sluice, 1.0 sluice");
}

}  // namespace
}  // namespace sluice::http
