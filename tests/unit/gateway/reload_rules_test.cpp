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

std::vector<std::optional<std::size_t>> kept(const std::string& running, const std::string& next) {
  return kept_listeners(with_listeners(running).listeners, with_listeners(next).listeners);
}

TEST(ReloadRules, AListenerGoesOnWithTheSocketsOfItsAddress) {
  const char running[] =
      "  - { name: web, address: 127.0.0.1:8080 }\n"
      "  - { name: local, address: \"unix:/run/web.sock\", mode: 0660 }\n";
  EXPECT_THAT(kept(running, running), ElementsAre(0, 1));
  EXPECT_THAT(kept(running, "  - { name: local, address: \"unix:/run/web.sock\", mode: 0666 }\n"
                            "  - { name: web, address: 127.0.0.1:8080, trusted_proxies: [10.0.0.0/8], tls: { self_signed: true } }\n"),
              ElementsAre(1, 0))
      << "everything else may change";
  EXPECT_THAT(kept(running, "  - { name: web, address: 127.0.0.1:8081 }\n"), ElementsAre(std::nullopt));
}

TEST(ReloadRules, NamesMayChangePlaces) {
  EXPECT_THAT(kept("  - { name: a, address: 127.0.0.1:8080 }\n  - { name: b, address: 127.0.0.1:8081 }\n",
                   "  - { name: a, address: 127.0.0.1:8081 }\n  - { name: c, address: 127.0.0.1:8080 }\n"),
              ElementsAre(1, 0));
}

TEST(ReloadRules, AmongFreePortsTheNameDecides) {
  const char running[] = "  - { name: a, address: 127.0.0.1:0 }\n  - { name: b, address: 127.0.0.1:0 }\n";
  EXPECT_THAT(kept(running, "  - { name: b, address: 127.0.0.1:0 }\n  - { name: c, address: 127.0.0.1:0 }\n"
                            "  - { name: d, address: 127.0.0.1:0 }\n"),
              ElementsAre(1, 0, std::nullopt));
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
