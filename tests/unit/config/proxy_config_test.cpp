#include "config/proxy_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace sluice::config {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

std::vector<std::string> problems_of(const std::string& to, const std::string& http, const std::string& https,
                                     const std::string& admin) {
  std::vector<std::string> texts;
  try {
    proxy_config(to, http, https, admin);
  } catch (const ConfigError& error) {
    for (const Problem& problem : error.problems()) texts.push_back(problem.text());
  }
  return texts;
}

TEST(ProxyConfig, LeadsEverythingToOneBackend) {
  const Config config =
      proxy_config("http://127.0.0.1:8000", "127.0.0.1:8080", "127.0.0.1:8443", "127.0.0.1:9901");
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(config.listeners[0].name, "http");
  EXPECT_EQ(config.listeners[0].address.text(), "127.0.0.1:8080");
  EXPECT_FALSE(config.listeners[0].tls);
  EXPECT_EQ(config.listeners[1].name, "https");
  EXPECT_EQ(config.listeners[1].address.text(), "127.0.0.1:8443");
  ASSERT_TRUE(config.listeners[1].tls);
  EXPECT_TRUE(config.listeners[1].tls->self_signed);
  ASSERT_EQ(config.upstreams.size(), 1u);
  EXPECT_EQ(config.upstreams[0].name, "backend");
  EXPECT_EQ(config.upstreams[0].endpoints[0].authority(), "127.0.0.1:8000");
  ASSERT_EQ(config.routes.size(), 1u);
  EXPECT_EQ(config.routes[0].name, "all");
  EXPECT_EQ(config.routes[0].upstream, "backend");
  EXPECT_TRUE(config.routes[0].match.hosts.empty());
  ASSERT_TRUE(config.admin);
  EXPECT_EQ(config.admin->address.text(), "127.0.0.1:9901");
  EXPECT_EQ(config.limits.max_connections, Limits{}.max_connections);
}

TEST(ProxyConfig, LeavesOutWhatIsOff) {
  const Config config = proxy_config("https://app.internal", "off", "[::1]:0", "");
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].name, "https");
  EXPECT_FALSE(config.admin);
}

TEST(ProxyConfig, NamesTheOptionsInItsProblems) {
  EXPECT_THAT(problems_of("127.0.0.1:8000", "8080", "x:1", "y"),
              ElementsAre(StartsWith("--to: \"127.0.0.1:8000\" does not start with http://"),
                          StartsWith("--http: \"8080\" has no port; "),
                          StartsWith("--https: \"x\" is not an IP address; "),
                          StartsWith("--admin: \"y\" has no port; ")));
}

TEST(ProxyConfig, TakesUnixSockets) {
  const Config config = proxy_config("unix:app.sock", "unix:/run/web.sock", "off", "off");
  EXPECT_EQ(config.listeners[0].address.text(), "unix:/run/web.sock");
  EXPECT_TRUE(config.upstreams[0].endpoints[0].unix_socket);
  EXPECT_EQ(config.upstreams[0].endpoints[0].host, "app.sock");
  EXPECT_THAT(problems_of("unix:", "unix:/run/a.sock", "unix:/run/a.sock", "unix:/run/admin.sock"),
              ElementsAre(StartsWith("--to: \"unix:\" names no socket"), StartsWith("--admin: is a unix socket, which"),
                          StartsWith("--https: unix:/run/a.sock is taken by --http")));
}

TEST(ProxyConfig, NeedsAListener) {
  EXPECT_THAT(problems_of("http://127.0.0.1:1", "off", "off", "off"),
              ElementsAre(StartsWith("--http: is off")));
}

TEST(ProxyConfig, RefusesTheSameAddressTwice) {
  EXPECT_THAT(problems_of("http://127.0.0.1:1", "127.0.0.1:80", "127.0.0.1:80", "127.0.0.1:80"),
              ElementsAre("--https: 127.0.0.1:80 is taken by --http; expected an address of its own",
                          "--admin: 127.0.0.1:80 is taken by --http; expected an address of its own"));
  EXPECT_THAT(problems_of("http://127.0.0.1:1", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"), ElementsAre());
}

TEST(ProxyConfig, KeepsAdminOnLoopbackAsItHasNoToken) {
  EXPECT_THAT(problems_of("http://127.0.0.1:1", "127.0.0.1:80", "off", "0.0.0.0:9901"),
              ElementsAre(StartsWith("--admin: 0.0.0.0:9901 is not loopback")));
}

}  // namespace
}  // namespace sluice::config
