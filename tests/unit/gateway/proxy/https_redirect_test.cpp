#include "gateway/proxy/https_redirect.h"

#include <gtest/gtest.h>

#include "tests/support/fake_exchange.h"

namespace sluice::proxy {
namespace {

TEST(HttpsLocationTest, SameHostPathAndQuery) {
  const struct {
    std::string_view authority;
    std::uint16_t port;
    std::string_view path, query, location;
  } cases[] = {
      {"shop.example", 443, "/", "", "https://shop.example/"},
      {"shop.example:8080", 443, "/a/b", "?c=d&e", "https://shop.example/a/b?c=d&e"},
      {"shop.example:8080", 8443, "/a", "?", "https://shop.example:8443/a?"},
      {"192.0.2.7", 8443, "/", "", "https://192.0.2.7:8443/"},
      {"[2001:db8::1]:80", 443, "/", "", "https://[2001:db8::1]/"},
      {"[2001:db8::1]", 8443, "//evil.example", "", "https://[2001:db8::1]:8443//evil.example"},
      {"shop.example", 443, "*", "", "https://shop.example"},
  };
  for (const auto& c : cases) EXPECT_EQ(https_location(c.authority, c.port, c.path, c.query), c.location);
}

TEST(HttpsLocationTest, OnlyAHostIsNamed) {
  for (const std::string_view authority :
       {"", "user@shop.example", "a b", "shop.example:x", "shop.example/evil", "[::1"}) {
    EXPECT_EQ(https_location(authority, 443, "/", ""), std::nullopt) << authority;
  }
}

class RedirectToHttps : public ::testing::Test {
 protected:
  RedirectToHttps() {
    exchange.listener.redirect_to_https = true;
    route.path = "/a";
    route.origin.scheme = "http";
    route.origin.host = "shop.example:8080";
  }
  test::FakeExchange exchange;
  RouteContext route;
};

TEST_F(RedirectToHttps, OnlyWhereItIsAskedFor) {
  EXPECT_TRUE(must_use_https(exchange, route));
  exchange.listener.redirect_to_https = false;
  EXPECT_FALSE(must_use_https(exchange, route));
}

TEST_F(RedirectToHttps, NotBehindAProxyThatSpokeHttps) {
  route.origin.scheme = "https";
  EXPECT_FALSE(must_use_https(exchange, route));
}

TEST_F(RedirectToHttps, Is308WithoutABody) {
  exchange.head.query = "?b=c";
  redirect_to_https(exchange, route, 8443);
  EXPECT_EQ(exchange.status, 308u);
  EXPECT_EQ(exchange.field("Location"), "https://shop.example:8443/a?b=c");
  EXPECT_EQ(exchange.framing.content_length, 0u);
  EXPECT_TRUE(exchange.complete);
  EXPECT_EQ(exchange.record.status, 308u);
}

TEST_F(RedirectToHttps, ARequestWithoutAHostCannotBeRedirected) {
  route.origin.host = {};
  redirect_to_https(exchange, route, 443);
  EXPECT_EQ(exchange.status, 400u);
  EXPECT_EQ(exchange.field("Sluice-Error"), "no_host");
}

}  // namespace
}  // namespace sluice::proxy
