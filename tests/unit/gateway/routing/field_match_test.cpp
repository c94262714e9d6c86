#include "gateway/routing/field_match.h"

#include <gtest/gtest.h>

#include "gateway/routing/subprotocol_match.h"

namespace sluice::routing {
namespace {

config::FieldMatch equals(std::string name, std::string value) {
  config::FieldMatch match;
  match.name = std::move(name);
  match.equals = std::move(value);
  return match;
}
config::FieldMatch present(std::string name) {
  config::FieldMatch match;
  match.name = std::move(name);
  match.present = true;
  return match;
}
config::FieldMatch regex(std::string name, const std::string& pattern) {
  config::FieldMatch match;
  match.name = std::move(name);
  EXPECT_EQ(config::Regex::parse(pattern, match.regex.emplace()), std::nullopt);
  return match;
}

http::Headers headers(std::initializer_list<http::Field> fields) {
  http::Headers all;
  for (const http::Field& field : fields) all.add(field.name, field.value);
  return all;
}

bool headers_match(const std::vector<config::FieldMatch>& wanted, const http::Headers* fields) {
  return unmet_header(wanted, fields, true) == nullptr;
}
bool query_matches(const std::vector<config::FieldMatch>& wanted, std::string_view query) {
  return unmet_parameter(wanted, query) == nullptr;
}

// Otherwise a client could choose a route by what the upstream never sees.
TEST(HeadersMatch, FieldsThatTheUpstreamDoesNotGetAsTheyAreMeetNone) {
  const http::Headers fields = headers({{"X-Tenant", "a"}, {"Connection", "close, x-tenant"}, {"X-Real-IP", "10.0.0.1"},
                                        {"X-Forwarded-Ssl", "on"}, {"Forwarded", "for=10.0.0.1"}, {"X-Request-Id", "1"}});
  EXPECT_FALSE(headers_match({equals("X-Tenant", "a")}, &fields));
  for (const char* name : {"X-Real-IP", "x-forwarded-ssl", "Forwarded", "X-Request-Id"}) {
    config::FieldMatch there;
    there.name = name;
    there.present = true;
    EXPECT_TRUE(unmet_header({there}, &fields, true) == nullptr) << name;
    EXPECT_FALSE(unmet_header({there}, &fields, false) == nullptr) << name;
  }
}

TEST(HeadersMatch, NamesIgnoreCaseValuesDoNot) {
  const http::Headers fields = headers({{"X-Beta", "One"}, {"X-Empty", ""}});
  EXPECT_TRUE(headers_match({}, &fields));
  EXPECT_TRUE(headers_match({equals("x-beta", "One")}, &fields));
  EXPECT_FALSE(headers_match({equals("x-beta", "one")}, &fields));
  EXPECT_FALSE(headers_match({equals("x-beta", "On")}, &fields));
  EXPECT_TRUE(headers_match({equals("X-Empty", "")}, &fields));
  EXPECT_TRUE(headers_match({present("x-empty")}, &fields));
  EXPECT_FALSE(headers_match({present("X-Other")}, &fields));
  EXPECT_TRUE(headers_match({regex("X-Beta", "^O")}, &fields));
  EXPECT_FALSE(headers_match({regex("X-Beta", "^o")}, &fields));
}

TEST(HeadersMatch, AllConditionsAndAnyLine) {
  const http::Headers fields = headers({{"X", "1"}, {"X", "2"}, {"Y", "3"}});
  EXPECT_TRUE(headers_match({equals("X", "2"), equals("Y", "3")}, &fields));
  EXPECT_TRUE(headers_match({equals("X", "1"), equals("X", "2")}, &fields));
  EXPECT_FALSE(headers_match({equals("X", "1"), equals("Y", "4")}, &fields));
  EXPECT_FALSE(headers_match({present("X")}, nullptr));
  EXPECT_TRUE(headers_match({}, nullptr));
}

TEST(HeadersMatch, TellsTheFirstConditionThatIsNotMet) {
  const http::Headers fields = headers({{"X", "1"}});
  const std::vector<config::FieldMatch> wanted = {present("X"), equals("X", "2"), present("Y")};
  EXPECT_EQ(unmet_header(wanted, &fields, true), &wanted[1]);
  EXPECT_EQ(unmet_header(wanted, nullptr, true), &wanted[0]);
}

TEST(QueryMatches, ByDecodedNameAndValue) {
  EXPECT_TRUE(query_matches({}, ""));
  EXPECT_TRUE(query_matches({equals("v", "2")}, "?v=2"));
  EXPECT_TRUE(query_matches({equals("v", "2")}, "a=1&v=2&b=3"));
  EXPECT_TRUE(query_matches({equals("v", "2")}, "?v=1&v=2")) << "any of them";
  EXPECT_TRUE(query_matches({equals("a b", "c&d")}, "?a+b=c%26d"));
  EXPECT_TRUE(query_matches({equals("v", "2")}, "?%76=%32"));
  EXPECT_TRUE(query_matches({equals("v", "a=b")}, "?v=a=b"));
  EXPECT_TRUE(query_matches({equals("v", "")}, "?v"));
  EXPECT_TRUE(query_matches({equals("v", "100%")}, "?v=100%")) << "no escape";
  EXPECT_TRUE(query_matches({equals("v", "%zz")}, "?v=%zz"));
  EXPECT_FALSE(query_matches({equals("v", "2")}, "?V=2"));
  EXPECT_FALSE(query_matches({equals("v", "2")}, "?vv=2"));
  EXPECT_FALSE(query_matches({equals("v", "2")}, "?v=22"));
  EXPECT_FALSE(query_matches({present("v")}, "?"));
  EXPECT_FALSE(query_matches({present("v")}, "?&&=v"));
  EXPECT_TRUE(query_matches({present("v")}, "?&&v"));
  EXPECT_TRUE(query_matches({regex("v", "^[0-9]+$")}, "?v=x&v=12"));
}

TEST(SubprotocolsMatch, OneThatIsOffered) {
  const http::Headers fields =
      headers({{"Sec-WebSocket-Protocol", "mqtt, chat.v1"}, {"sec-websocket-protocol", "chat.v2"}});
  EXPECT_TRUE(subprotocols_match({"chat.v2"}, true, &fields));
  EXPECT_TRUE(subprotocols_match({"other", "mqtt"}, true, &fields));
  EXPECT_FALSE(subprotocols_match({"Chat.v2"}, true, &fields));
  EXPECT_FALSE(subprotocols_match({"chat"}, true, &fields));
  EXPECT_FALSE(subprotocols_match({"chat.v2"}, false, &fields)) << "no upgrade, no offer";
  EXPECT_FALSE(subprotocols_match({"chat.v2"}, true, nullptr));
  EXPECT_TRUE(subprotocols_match({}, false, nullptr));
}

}  // namespace
}  // namespace sluice::routing
