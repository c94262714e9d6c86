#include "gateway/reload_rules.h"

#include <gmock/gmock.h>

#include "config/load.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kListeners[] =
    "listeners:\n"
    "  - { name: web, address: 127.0.0.1:8080 }\n"
    "  - { name: local, address: \"unix:/run/web.sock\", mode: 0660 }\n";
constexpr char kRoutes[] = "routes: [{ name: all, respond: { status: 200 } }]\n";

config::Config load(const std::string& text) {
  std::vector<std::string> warnings;
  return config::load_text(text + kRoutes, "sluice.yaml", warnings);
}

config::Config with_listeners(const std::string& lines) { return load("listeners:\n" + lines); }

TEST(ReloadRules, TheSameListenersNeedNoRestart) {
  const config::Config running = load(kListeners);
  EXPECT_THAT(needs_restart(running, load(kListeners)), IsEmpty());
  const config::Config turned = with_listeners(
      "  - { name: local, address: \"unix:/run/web.sock\", mode: 0660 }\n"
      "  - { name: web, address: 127.0.0.1:8080, trusted_proxies: [10.0.0.0/8], tls: { self_signed: true } }\n");
  EXPECT_THAT(needs_restart(running, turned), IsEmpty()) << "everything else of a listener may change";
  ASSERT_NE(same_listener(running, turned.listeners[1]), nullptr);
  EXPECT_EQ(same_listener(running, turned.listeners[1])->name, "web");
}

TEST(ReloadRules, ListenersThatComeOrGoNeedOne) {
  const config::Config running = load(kListeners);
  EXPECT_THAT(needs_restart(running, with_listeners("  - { name: web, address: 127.0.0.1:8080 }\n")),
              ElementsAre("listeners: local on unix:/run/web.sock is missing; listeners are closed by a restart only, leave it in "
                          "until then"));
  const std::string moved =
      "  - { name: web, address: 127.0.0.1:8081 }\n"
      "  - { name: local, address: \"unix:/run/web.sock\", mode: 0666 }\n";
  EXPECT_EQ(needs_restart(running, with_listeners(moved)).size(), 4u) << "each of both is another one";
}

TEST(ReloadRules, WhatIsFixedAtStartWaits) {
  const config::Config running = load(kListeners);
  EXPECT_THAT(takes_effect_later(running, load(kListeners)), IsEmpty());
  const config::Config next = load(std::string(kListeners) +
                                   "workers: 7\n"
                                   "limits: { max_connections: 5, max_connections_per_client: 2, max_held_bytes: 1MiB, max_headers: 9 }\n"
                                   "timeouts: { connect: 1s }\n"
                                   "admin: { address: 127.0.0.1:9901 }\n"
                                   "access_log: { format: combined }\n"
                                   "log: { level: warn }\n");
  std::vector<std::string> keys;
  for (const std::string& warning : takes_effect_later(running, next)) keys.push_back(warning.substr(0, warning.find(' ')));
  EXPECT_THAT(keys, ElementsAre("workers", "limits.max_connections", "limits.max_connections_per_client",
                                "limits.max_held_bytes", "admin", "access_log", "log"));
}

}  // namespace
}  // namespace sluice
