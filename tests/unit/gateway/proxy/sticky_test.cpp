#include "gateway/proxy/sticky.h"

#include <gtest/gtest.h>

#include "gateway/http/cookies.h"

namespace sluice::proxy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class StickyCookieTest : public ::testing::Test {
 protected:
  StickyCookieTest() {
    upstream_.name = "app";
    upstream_.sticky.emplace();
    for (const char* url : {"http://a", "http://b"}) upstream_.endpoints.emplace_back().url = url;
  }

  // What a client sends that got the cookie of an endpoint.
  http::Headers request(const StickyCookie& sticky, std::size_t endpoint) const {
    http::Headers response, request;
    sticky.add(endpoint, false, now_, response);
    const std::string_view cookie = *response.find("Set-Cookie");
    request.add("Cookie", cookie.substr(0, cookie.find(';')));
    return request;
  }

  const tls::CookieKey key_{{}};
  config::Upstream upstream_;
  const StickyCookie::Time now_ = StickyCookie::Time(std::chrono::hours(400'000));
};

TEST_F(StickyCookieTest, IsFoundUntilItExpiresAndRenewedInItsSecondHalf) {
  const StickyCookie sticky(key_, upstream_);
  const http::Headers headers = request(sticky, 1);
  const auto found = [&](StickyCookie::Time now) { return sticky.find(headers, now); };
  ASSERT_TRUE(found(now_));
  EXPECT_EQ(found(now_)->endpoint, 1u);
  EXPECT_FALSE(found(now_ + minutes(30))->renew);
  EXPECT_TRUE(found(now_ + minutes(30) + seconds(1))->renew);
  EXPECT_TRUE(found(now_ + minutes(60) - seconds(1)));
  EXPECT_FALSE(found(now_ + minutes(60)));
}

TEST_F(StickyCookieTest, BelongsToTheEndpointAndNotToItsPlace) {
  const StickyCookie before(key_, upstream_);
  const http::Headers headers = request(before, 1);
  std::swap(upstream_.endpoints[0], upstream_.endpoints[1]);
  EXPECT_EQ(StickyCookie(key_, upstream_).find(headers, now_)->endpoint, 0u);
  upstream_.endpoints.erase(upstream_.endpoints.begin());
  EXPECT_FALSE(StickyCookie(key_, upstream_).find(headers, now_)) << "it is gone";
}

TEST_F(StickyCookieTest, OfAnotherUpstreamOrKeyIsNoCookie) {
  const http::Headers headers = request(StickyCookie(key_, upstream_), 0);
  EXPECT_FALSE(StickyCookie(tls::CookieKey({}), upstream_).find(headers, now_));
  upstream_.name = "other";
  EXPECT_FALSE(StickyCookie(key_, upstream_).find(headers, now_));
}

}  // namespace
}  // namespace sluice::proxy
