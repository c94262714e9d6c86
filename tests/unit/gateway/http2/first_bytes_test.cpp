#include "gateway/http2/first_bytes.h"

#include <gtest/gtest.h>

#include "tests/support/h2_frames.h"

namespace sluice::http2 {
namespace {

namespace h2 = test::h2;

TEST(FirstBytes, OfHttp2AreSettings) {
  EXPECT_TRUE(begin_http2(h2::settings()));
  EXPECT_TRUE(begin_http2(h2::settings() + h2::ping(1)));
  EXPECT_TRUE(begin_http2(h2::settings().substr(0, 5)));
  EXPECT_FALSE(begin_http2(h2::settings().substr(0, 4))) << "not enough to tell";
  EXPECT_FALSE(begin_http2(h2::frame(h2::kSettings, h2::kAck, 0, "")));
  EXPECT_FALSE(begin_http2(h2::ping(1)));
  EXPECT_FALSE(begin_http2("HTTP/1.1 200 OK\r\n"));
  EXPECT_FALSE(begin_http2(""));
}

TEST(FirstBytes, OfHttp1AreAStatusLine) {
  EXPECT_TRUE(begin_http1("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(begin_http1("HTTP/1.0 505 No\r\n"));
  EXPECT_FALSE(begin_http1("HTTP"));
  EXPECT_FALSE(begin_http1(h2::settings()));
}

}  // namespace
}  // namespace sluice::http2
