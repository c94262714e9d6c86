#include "gateway/sessions/proxy_header.h"

#include <gtest/gtest.h>

#include "config/address.h"

namespace sluice::sessions {
namespace {

using State = ProxyHeader::State;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string v2(unsigned command, unsigned family, const std::string& rest) {
  std::string header(kSignature);
  header += static_cast<char>(command);
  header += static_cast<char>(family);
  header += static_cast<char>(rest.size() >> 8);
  header += static_cast<char>(rest.size() & 0xFF);
  return header + rest;
}

const std::string kTcp4Block("\xC0\x00\x02\x07\x0A\x00\x00\x01\x30\x39\x01\xBB", 12);  // 192.0.2.7:12345 to 10.0.0.1:443

std::string client_of(const ProxyHeader& header) {
  if (!header.client) return "none";
  return config::ip_text(header.client->bytes, header.client->v6) + " " + std::to_string(header.client->port);
}

TEST(ProxyHeaderTest, Version1TellsTheClient) {
  const std::string text = "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n";
  const ProxyHeader header = parse_proxy_header(text + "GET / HTTP/1.1\r\n");
  EXPECT_EQ(header.state, State::complete);
  EXPECT_EQ(header.size, text.size());
  EXPECT_EQ(client_of(header), "192.0.2.7 12345");
  EXPECT_FALSE(header.local);
  EXPECT_EQ(client_of(parse_proxy_header("PROXY TCP6 2001:DB8::1 2001:db8::2 1 65535\r\n")), "2001:db8::1 1");
  const ProxyHeader mapped = parse_proxy_header("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n");
  EXPECT_EQ(client_of(mapped), "192.0.2.7 1");
  EXPECT_FALSE(mapped.client->v6);
}

TEST(ProxyHeaderTest, Version1UnknownTellsNoClient) {
  for (const char* text : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 whatever 1 2\r\n"}) {
    const ProxyHeader header = parse_proxy_header(text);
    EXPECT_EQ(header.state, State::complete) << text;
    EXPECT_EQ(header.size, std::string_view(text).size());
    EXPECT_FALSE(header.client) << text;
    EXPECT_FALSE(header.local) << text;
  }
}

TEST(ProxyHeaderTest, Version1IsReadStrictly) {
  for (const char* text : {
           "PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443 \r\n",
           "PROXY TCP4  192.0.2.7 10.0.0.1 12345 443\r\n", "PROXY TCP4 192.0.2.07 10.0.0.1 12345 443\r\n",
           "PROXY TCP4 2001:db8::1 10.0.0.1 12345 443\r\n", "PROXY TCP6 192.0.2.7 10.0.0.1 12345 443\r\n",
           "PROXY TCP4 192.0.2.7 nowhere 12345 443\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
           "PROXY TCP4 192.0.2.7 10.0.0.1 012 443\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 -1 443\r\n",
           "PROXY TCP4 192.0.2.7 10.0.0.1 +1 443\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 1 \r\n",
           "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n", "PROXY UNKNOWN\n",
           "PROXY UNKNOWN\rX", "PROXY UNKNOWNS\r\n", "PROXY \r\n", "PROXY /path HTTP/1.1\r\n",
       }) {
    EXPECT_EQ(parse_proxy_header(text).state, State::malformed) << text;
  }
  EXPECT_EQ(parse_proxy_header(std::string("PROXY TCP4 192.0.2.7\0 10.0.0.1 1 2\r\n", 36)).state, State::malformed);
}

TEST(ProxyHeaderTest, Version1HasItsLength) {
  const std::string longest = "PROXY UNKNOWN " + std::string(107 - 16, 'x');
  EXPECT_EQ(parse_proxy_header(longest).state, State::incomplete);
  EXPECT_EQ(parse_proxy_header(longest + "\r").state, State::incomplete);
  EXPECT_EQ(parse_proxy_header(longest + "\r\n").state, State::complete);
  EXPECT_EQ(parse_proxy_header(longest + "x").state, State::malformed);
  EXPECT_EQ(parse_proxy_header(longest + "x\r\n").state, State::malformed);
}

TEST(ProxyHeaderTest, Version2TellsTheClient) {
  const std::string text = v2(0x21, 0x11, kTcp4Block);
  const ProxyHeader header = parse_proxy_header(text + "\x16\x03");
  EXPECT_EQ(header.state, State::complete);
  EXPECT_EQ(header.size, text.size());
  EXPECT_EQ(client_of(header), "192.0.2.7 12345");
  std::string v6(36, '\0');
  v6[15] = 1;
  v6[33] = 80;
  EXPECT_EQ(client_of(parse_proxy_header(v2(0x21, 0x21, v6))), "::1 80");
  v6.replace(0, 16, std::string("\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC0\x00\x02\x07", 16));
  EXPECT_EQ(client_of(parse_proxy_header(v2(0x21, 0x21, v6))), "192.0.2.7 80");
}

TEST(ProxyHeaderTest, Version2SkipsExtensionsWithinItsBound) {
  const std::string room(ProxyHeader::kMaxSize - 16 - kTcp4Block.size(), 'x');
  const ProxyHeader header = parse_proxy_header(v2(0x21, 0x11, kTcp4Block + room));
  EXPECT_EQ(header.state, State::complete);
  EXPECT_EQ(header.size, ProxyHeader::kMaxSize);
  EXPECT_EQ(client_of(header), "192.0.2.7 12345");
  // Told by its first 16 bytes, so that nobody waits for the rest.
  EXPECT_EQ(parse_proxy_header(v2(0x21, 0x11, kTcp4Block + room + "x").substr(0, 16)).state, State::malformed);
}

TEST(ProxyHeaderTest, Version2WithoutAClient) {
  const ProxyHeader local = parse_proxy_header(v2(0x20, 0x00, ""));
  EXPECT_EQ(local.state, State::complete);
  EXPECT_TRUE(local.local);
  EXPECT_FALSE(local.client);
  EXPECT_FALSE(parse_proxy_header(v2(0x20, 0x11, kTcp4Block)).client) << "what LOCAL says of addresses is skipped";
  for (const std::string& text : {v2(0x21, 0x00, ""), v2(0x21, 0x00, "anything"), v2(0x21, 0x31, std::string(216, 'p'))}) {
    const ProxyHeader unknown = parse_proxy_header(text);
    EXPECT_EQ(unknown.state, State::complete);
    EXPECT_FALSE(unknown.local);
    EXPECT_FALSE(unknown.client);
  }
}

TEST(ProxyHeaderTest, Version2IsReadStrictly) {
  EXPECT_EQ(parse_proxy_header(v2(0x11, 0x11, kTcp4Block)).state, State::malformed) << "version";
  EXPECT_EQ(parse_proxy_header(v2(0x22, 0x11, kTcp4Block)).state, State::malformed) << "command";
  EXPECT_EQ(parse_proxy_header(v2(0x21, 0x12, kTcp4Block)).state, State::malformed) << "datagrams";
  EXPECT_EQ(parse_proxy_header(v2(0x21, 0x41, kTcp4Block)).state, State::malformed) << "family";
  EXPECT_EQ(parse_proxy_header(v2(0x21, 0x11, kTcp4Block.substr(1))).state, State::malformed) << "too short";
  EXPECT_EQ(parse_proxy_header(v2(0x21, 0x21, kTcp4Block)).state, State::malformed) << "too short for v6";
  EXPECT_EQ(parse_proxy_header(v2(0x21, 0x31, kTcp4Block)).state, State::malformed) << "too short for a path";
}

TEST(ProxyHeaderTest, EveryBeginningOfAHeaderIsIncomplete) {
  for (const std::string& text : {std::string("PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n"), v2(0x21, 0x11, kTcp4Block + "tlv")}) {
    for (std::size_t size = 0; size < text.size(); ++size) {
      EXPECT_EQ(parse_proxy_header(text.substr(0, size)).state, State::incomplete) << size;
    }
  }
}

TEST(ProxyHeaderTest, WhatCannotBecomeAHeaderIsToldAtOnce) {
  for (const char* text : {"G", "POST / HTTP/1.1\r\n", "PROPFIND / HTTP/1.1\r\n", "proxy ", "\x16\x03\x01", "\r\n\r\nGET", "\n"}) {
    EXPECT_EQ(parse_proxy_header(text).state, State::absent) << text;
  }
  EXPECT_EQ(parse_proxy_header("\r\n\r\n").state, State::incomplete);
}

}  // namespace
}  // namespace sluice::sessions
