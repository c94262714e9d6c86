#include "gateway/proxy/header_rules.h"

#include <gmock/gmock.h>

#include "tests/support/fake_exchange.h"

namespace sluice::proxy {
namespace {

using config::Variable;
using test::FakeExchange;

config::TemplatePart literal(std::string text) { return {std::move(text), std::nullopt}; }
config::TemplatePart variable(Variable name) { return {{}, name}; }

std::string value(const http::Headers& headers, std::string_view name) {
  return std::string(headers.find(name).value_or("(none)"));
}

// -----------------------------------------------------------------------------------------------------

class ExpandTest : public ::testing::Test {
 protected:
  std::string expanded(Variable name) { return expand({variable(name)}, values()); }
  TemplateValues values() {
    origin_.host = exchange_.head.authority;
    return {exchange_, "/canonical", "web", origin_};
  }
  FakeExchange exchange_;
  http::Origin origin_{.client_ip = {}, .scheme = "https", .host = {}, .request_id = {}};
};

TEST_F(ExpandTest, EveryVariable) {
  exchange_.record.client_ip = "203.0.113.9";
  exchange_.record.request_id = "abc123";
  exchange_.info.sni = "shop.example";
  exchange_.head.method = "PATCH";
  exchange_.head.query = "?a=1&b=2";
  EXPECT_EQ(expanded(Variable::client_ip), "203.0.113.9");
  EXPECT_EQ(expanded(Variable::host), "shop.example");
  EXPECT_EQ(expanded(Variable::path), "/canonical");
  EXPECT_EQ(expanded(Variable::query), "?a=1&b=2");
  EXPECT_EQ(expanded(Variable::request_id), "abc123");
  EXPECT_EQ(expanded(Variable::method), "PATCH");
  EXPECT_EQ(expanded(Variable::scheme), "https");
  EXPECT_EQ(expanded(Variable::tls_sni), "shop.example");
  EXPECT_EQ(expanded(Variable::tls_client_subject), "");
  exchange_.info.client_subject = "CN=alice,O=Example";
  EXPECT_EQ(expanded(Variable::tls_client_subject), "CN=alice,O=Example");
  EXPECT_EQ(expanded(Variable::route), "web");
}

TEST_F(ExpandTest, TextAndVariablesInOrder) {
  exchange_.head.query = "?x";
  EXPECT_EQ(expand({literal("https://"), variable(Variable::host), variable(Variable::path),
                    variable(Variable::query), literal("#top")},
                   values()),
            "https://shop.example/canonical?x#top");
  EXPECT_EQ(expand({}, values()), "");
}

TEST_F(ExpandTest, TheHostHasNoPortButKeepsItsBrackets) {
  const std::pair<const char*, const char*> cases[] = {
      {"shop.example", "shop.example"},
      {"shop.example:80", "shop.example"},
      {"[2001:db8::1]:8443", "[2001:db8::1]"},
      {"[::1]", "[::1]"},
      {"192.0.2.1:1", "192.0.2.1"},
      {"", ""},
  };
  for (const auto& [authority, host] : cases) {
    exchange_.head.authority = authority;
    EXPECT_EQ(expanded(Variable::host), host);
  }
}

// No value may end a field and begin another.
TEST_F(ExpandTest, AValueCannotBreakOutOfItsField) {
  exchange_.head.query = "?a\r\nSet-Cookie: b";
  EXPECT_EQ(expanded(Variable::query).find_first_of("\r\n"), std::string::npos);
}

TEST_F(ExpandTest, OperationsRemoveThenSetThenAdd) {
  http::Headers headers;
  headers.add("X-Gone", "1");
  headers.add("x-gone", "2");
  headers.add("X-Set", "old");
  headers.add("X-Set", "older");
  headers.add("X-Add", "kept");
  config::HeaderOperations operations;
  operations.remove = {"X-GONE", "X-Missing", "X-Both"};
  operations.set = {{"x-set", {literal("new "), variable(Variable::method)}}, {"X-Both", {literal("set")}}};
  operations.add = {{"X-Add", {literal("added")}}};
  apply(operations, values(), headers);
  EXPECT_EQ(headers.count("X-Gone"), 0u);
  EXPECT_EQ(headers.count("X-Set"), 1u);
  EXPECT_EQ(value(headers, "X-Set"), "new GET");
  EXPECT_EQ(value(headers, "X-Both"), "set");
  EXPECT_EQ(headers.count("X-Add"), 2u);
}

}  // namespace
}  // namespace sluice::proxy
