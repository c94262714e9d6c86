#include "gateway/privileges.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

config::Config with_ports(std::uint16_t port, std::uint16_t admin_port) {
  config::Config config;
  config.listeners.emplace_back().address = {"127.0.0.1", port, false};
  config.admin.emplace().address = {"127.0.0.1", admin_port, false};
  return config;
}

TEST(NeedlessRootTest, RootIsWarnedOfUnlessAPortAsksForIt) {
  EXPECT_NE(needless_root(with_ports(8080, 9901), 0), "");
  EXPECT_NE(needless_root(with_ports(0, 1024), 0), "");
  EXPECT_EQ(needless_root(with_ports(8080, 9901), 1000), "");
  EXPECT_EQ(needless_root(with_ports(443, 9901), 0), "");
  EXPECT_EQ(needless_root(with_ports(8080, 1023), 0), "");
  config::Config unix_socket = with_ports(8080, 9901);
  unix_socket.listeners[0].address = {"", 0, false, "/run/sluice.sock"};
  EXPECT_NE(needless_root(unix_socket, 0), "");
}

}  // namespace
}  // namespace sluice
