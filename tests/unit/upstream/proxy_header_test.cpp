#include "upstream/proxy_header.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace sluice::upstream {
namespace {

using config::SendProxyProtocol;

ProxyAddress address(const char* text, std::uint16_t port) {
  ProxyAddress result;
  result.v6 = ::inet_pton(AF_INET6, text, result.bytes) == 1;
  if (!result.v6 && ::inet_pton(AF_INET, text, result.bytes) != 1) ADD_FAILURE() << text;
  result.port = port;
  return result;
}

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

TEST(ProxyHeaderTest, NothingWhenItIsOff) {
  EXPECT_EQ(proxy_header(SendProxyProtocol::off, address("192.0.2.7", 1), address("10.0.0.1", 2)), "");
}

TEST(ProxyHeaderTest, Version1) {
  EXPECT_EQ(proxy_header(SendProxyProtocol::v1, address("192.0.2.7", 12345), address("10.0.0.1", 443)),
            "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n");
  EXPECT_EQ(proxy_header(SendProxyProtocol::v1, address("2001:db8::1", 0), address("::1", 80)),
            "PROXY TCP6 2001:db8::1 ::1 0 80\r\n");
  EXPECT_EQ(proxy_header(SendProxyProtocol::v1, std::nullopt, std::nullopt), "PROXY UNKNOWN\r\n");
}

TEST(ProxyHeaderTest, Version2) {
  EXPECT_EQ(proxy_header(SendProxyProtocol::v2, address("192.0.2.7", 12345), address("10.0.0.1", 443)),
            kSignature + std::string("\x21\x11\x00\x0C\xC0\x00\x02\x07\x0A\x00\x00\x01\x30\x39\x01\xBB", 16));
  const std::string v6 = proxy_header(SendProxyProtocol::v2, address("2001:db8::1", 258), address("::1", 80));
  ASSERT_EQ(v6.size(), 52u);
  EXPECT_EQ(v6.substr(12, 4), std::string("\x21\x21\x00\x24", 4));
  EXPECT_EQ(v6.substr(16, 2), "\x20\x01");
  EXPECT_EQ(v6.substr(48), std::string("\x01\x02\x00\x50", 4));
  EXPECT_EQ(proxy_header(SendProxyProtocol::v2, std::nullopt, std::nullopt), kSignature + std::string("\x20\0\0\0", 4));
}

TEST(ProxyHeaderTest, BothAddressesAreOfOneFamily) {
  EXPECT_EQ(proxy_header(SendProxyProtocol::v1, address("2001:db8::1", 1), address("10.0.0.1", 2)),
            "PROXY TCP6 2001:db8::1 ::ffff:10.0.0.1 1 2\r\n");
  EXPECT_EQ(proxy_header(SendProxyProtocol::v1, address("192.0.2.7", 1), address("::1", 2)),
            "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n");
  EXPECT_EQ(proxy_header(SendProxyProtocol::v1, address("192.0.2.7", 1), std::nullopt), "PROXY TCP4 192.0.2.7 0.0.0.0 1 0\r\n");
}

}  // namespace
}  // namespace sluice::upstream
