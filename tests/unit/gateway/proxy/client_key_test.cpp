#include "gateway/proxy/client_key.h"

#include <gtest/gtest.h>

namespace sluice::proxy {
namespace {

std::optional<ClientKey> key(const char* address) { return ClientKey::parse(address); }

TEST(ClientKeyTest, AnAddressOfV4AndA64OfV6) {
  EXPECT_EQ(key("192.0.2.1"), key("192.0.2.1"));
  EXPECT_NE(key("192.0.2.1"), key("192.0.2.2"));
  EXPECT_EQ(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  EXPECT_NE(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
  EXPECT_NE(key("0.0.0.0"), key("::"));
  EXPECT_EQ(key("::ffff:192.0.2.1"), key("192.0.2.1")) << "a socket for both families tells of it so";
  EXPECT_NE(key("::ffff:192.0.2.1"), key("::ffff:192.0.2.2"));
}

TEST(ClientKeyTest, WhatIsNoAddressIsNobody) {
  for (const char* text : {"", "unix", "192.0.2", "[::1]", "192.0.2.1:80"}) EXPECT_EQ(key(text), std::nullopt) << text;
}

}  // namespace
}  // namespace sluice::proxy
