#include "config/origin.h"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

std::string read_back(const char* text) {
  AllowedOrigin origin;
  const Fault fault = parse_allowed_origin(text, origin);
  return fault ? *fault : origin_text(origin);
}

TEST(ParseAllowedOrigin, BringsItIntoTheFormThatBrowsersWrite) {
  EXPECT_EQ(read_back("https://chat.example.com"), "https://chat.example.com");
  EXPECT_EQ(read_back("HTTPS://Chat.Example.COM:443"), "https://chat.example.com");
  EXPECT_EQ(read_back("http://chat.example.com:80"), "http://chat.example.com");
  EXPECT_EQ(read_back("http://chat.example.com:443"), "http://chat.example.com:443");
  EXPECT_EQ(read_back("https://*.example.com:8443"), "https://*.example.com:8443");
  EXPECT_EQ(read_back("http://127.0.0.1:3000"), "http://127.0.0.1:3000");
  EXPECT_EQ(read_back("http://[2001:DB8:0::1]:3000"), "http://[2001:db8::1]:3000");
  EXPECT_EQ(read_back("same"), "same");
}

TEST(ParseAllowedOrigin, ApplicationsHaveSchemesOfTheirOwn) {
  EXPECT_EQ(read_back("capacitor://localhost"), "capacitor://localhost");
  EXPECT_EQ(read_back("chrome-extension://abcdefghijklmnopabcdefghijklmnop"),
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop");
  AllowedOrigin origin;
  EXPECT_FALSE(parse_allowed_origin("capacitor://localhost", origin));
  EXPECT_EQ(origin.port, 0) << "it has no default";
}

TEST(ParseAllowedOrigin, RefusesWhatNoBrowserSends) {
  for (const char* text : {"",
                           "*",
                           "null",
                           "chat.example.com",
                           "Same",
                           "//chat.example.com",
                           "https://",
                           "https://*",
                           "https://a/",
                           "https://a/b",
                           "https://a?b",
                           "https://a#b",
                           "https://user@a",
                           "https://a:0",
                           "https://a:65536",
                           "https://a:",
                           "https://a:x",
                           "https://[::1",
                           "https://::1",
                           "https://*.",
                           "https://a.*.b",
                           "https://*a.b",
                           "https://a b",
                           "1https://a",
                           "ws://a",
                           "wss://a",
                           "https://1.2.3",
                           "file://",
                           "https://a,https://b"}) {
    AllowedOrigin origin;
    origin.scheme = "untouched";
    EXPECT_TRUE(parse_allowed_origin(text, origin)) << text;
    EXPECT_EQ(origin.scheme, "untouched") << text;
  }
}

TEST(ParseAllowedOrigin, SaysWhatWasMeant) {
  EXPECT_EQ(read_back("https://a.example/"),
            "\"https://a.example/\" goes on behind the host; expected \"https://a.example\"");
  EXPECT_EQ(read_back("wss://a.example/ws"),
            "\"wss://a.example/ws\" is a WebSocket's URL; expected the page's origin, \"https://a.example\"");
}

}  // namespace
}  // namespace sluice::config
