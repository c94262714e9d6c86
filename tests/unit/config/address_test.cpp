#include "config/address.h"

#include <gtest/gtest.h>

#include "config/syntax.h"

namespace sluice::config {
namespace {

Cidr block(const std::string& text) {
  Cidr cidr;
  EXPECT_EQ(parse_cidr(text, cidr), std::nullopt) << text;
  return cidr;
}

bool contains(const std::string& cidr, const std::string& ip) {
  std::uint8_t bytes[16];
  bool v6 = false;
  EXPECT_TRUE(parse_ip(ip, bytes, v6)) << ip;
  return block(cidr).contains(bytes, v6);
}

TEST(ParseIp, KeepsFamiliesApart) {
  std::uint8_t bytes[16] = {};
  bool v6 = true;
  ASSERT_TRUE(parse_ip("192.0.2.1", bytes, v6));
  EXPECT_FALSE(v6);
  EXPECT_EQ(bytes[0], 192);
  EXPECT_EQ(bytes[3], 1);
  ASSERT_TRUE(parse_ip("fd00::1", bytes, v6));
  EXPECT_TRUE(v6);
  EXPECT_EQ(bytes[0], 0xFD);
  EXPECT_EQ(bytes[15], 1);
}

TEST(IpText, HasOneSpellingForAnAddress) {
  for (const auto& [written, text] :
       {std::pair{"192.0.2.1", "192.0.2.1"}, std::pair{"2001:DB8:0:0::A", "2001:db8::a"},
        std::pair{"::ffff:192.0.2.1", "192.0.2.1"}, std::pair{"::1", "::1"}}) {
    std::uint8_t bytes[16] = {};
    bool v6 = false;
    ASSERT_TRUE(parse_ip(written, bytes, v6));
    EXPECT_EQ(ip_text(bytes, v6), text);
  }
}

TEST(ParseIp, RefusesWhatIsNoneAndLeavesTheResultAlone) {
  std::uint8_t bytes[16] = {7};
  bool v6 = true;
  for (const char* text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "[::1]", "::1%eth0", "1.2.3.4 "}) {
    EXPECT_FALSE(parse_ip(text, bytes, v6)) << text;
  }
  EXPECT_FALSE(parse_ip(std::string("1.2.3.4\0", 8), bytes, v6));
  EXPECT_EQ(bytes[0], 7);
  EXPECT_TRUE(v6);
}

TEST(Cidr, ContainsComparesThePrefixBitByBit) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(contains("172.16.0.0/12", "172.31.255.255"));
  EXPECT_FALSE(contains("172.16.0.0/12", "172.32.0.0"));
  EXPECT_TRUE(contains("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(contains("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(contains("fd00::/7", "fc00::1"));
  EXPECT_FALSE(contains("fd00::/8", "fc00::1"));
  EXPECT_TRUE(contains("::1", "::1"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::"));
}

TEST(Cidr, FamiliesMixOnlyThroughMappedAddresses) {
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_FALSE(contains("::/0", "10.0.0.1"));
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_FALSE(contains("10.0.0.0/8", "::ffff:11.1.2.3"));
  EXPECT_FALSE(contains("::/0", "::ffff:10.1.2.3"));
  EXPECT_TRUE(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
}

TEST(Cidr, BitsAfterTheLengthDoNotCount) {
  EXPECT_TRUE(contains("10.9.9.9/8", "10.1.1.1"));
  EXPECT_EQ(block("10.9.9.9/12").bytes[1], 0);
  EXPECT_EQ(block("10.25.9.9/12").bytes[1], 16);
}

TEST(Address, TextCanBeReadAgain) {
  for (const std::string text : {"127.0.0.1:0", "0.0.0.0:65535", "[::]:8080", "[fd00::1]:443"}) {
    Address address;
    ASSERT_EQ(parse_address(text, address), std::nullopt);
    EXPECT_EQ(address.text(), text);
  }
}

TEST(Address, LoopbackIsTheWholeBlock) {
  const auto loopback = [](const std::string& text) {
    Address address;
    EXPECT_EQ(parse_address(text, address), std::nullopt);
    return is_loopback(address);
  };
  EXPECT_TRUE(loopback("127.0.0.1:1"));
  EXPECT_TRUE(loopback("127.9.9.9:1"));
  EXPECT_TRUE(loopback("localhost:1"));
  EXPECT_TRUE(loopback("[::1]:1"));
  EXPECT_FALSE(loopback("0.0.0.0:1"));
  EXPECT_FALSE(loopback("[::]:1"));
  EXPECT_FALSE(loopback("128.0.0.1:1"));
}

TEST(Endpoint, AuthorityLeavesTheDefaultPortOut) {
  const auto authority = [](const std::string& url) {
    Endpoint endpoint;
    EXPECT_EQ(parse_endpoint_url(url, endpoint), std::nullopt) << url;
    return endpoint.authority();
  };
  EXPECT_EQ(authority("http://a.example"), "a.example");
  EXPECT_EQ(authority("http://a.example:80"), "a.example");
  EXPECT_EQ(authority("http://a.example:443"), "a.example:443");
  EXPECT_EQ(authority("https://a.example:443/"), "a.example");
  EXPECT_EQ(authority("HTTPS://A.example:8443"), "a.example:8443");
  EXPECT_EQ(authority("http://[0::1]:80"), "[::1]");
  EXPECT_EQ(authority("http://[::1]:81"), "[::1]:81");
}

TEST(Endpoint, ParsingKeepsTheWeight) {
  Endpoint endpoint;
  endpoint.weight = 7;
  ASSERT_EQ(parse_endpoint_url("http://a.example", endpoint), std::nullopt);
  EXPECT_EQ(endpoint.weight, 7u);
}

}  // namespace
}  // namespace sluice::config
