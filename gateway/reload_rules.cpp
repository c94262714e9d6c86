#include "gateway/reload_rules.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr char kUntilRestart[] = " is taken over at the next restart";

std::string admin_text(const config::Config& config) {
  return config.admin ? config.admin->address.text() + " " + config.admin->token : "";
}

}  // namespace

std::vector<std::optional<std::size_t>> kept_listeners(const std::vector<config::Listener>& running,
                                                       const std::vector<config::Listener>& next) {
  std::vector<std::optional<std::size_t>> kept(next.size());
  std::vector<bool> taken(running.size());
  for (const bool by_name : {true, false}) {
    for (std::size_t i = 0; i < next.size(); ++i) {
      for (std::size_t j = 0; j < running.size() && !kept[i]; ++j) {
        if (taken[j] || running[j].address.text() != next[i].address.text()) continue;
        if (by_name && running[j].name != next[i].name) continue;
        kept[i] = j;
        taken[j] = true;
      }
    }
  }
  return kept;
}

std::vector<std::string> takes_effect_later(const config::Config& running, const config::Config& next) {
  std::vector<std::string> warnings;
  const auto compare = [&warnings](const char* key, bool same) {
    if (!same) warnings.push_back(std::string(key) + kUntilRestart);
  };
  compare("workers", running.workers == next.workers);
  compare("limits.max_connections", running.limits.max_connections == next.limits.max_connections);
  compare("limits.max_connections_per_client",
          running.limits.max_connections_per_client == next.limits.max_connections_per_client);
  compare("limits.max_held_bytes", running.limits.max_held_bytes == next.limits.max_held_bytes);
  compare("admin", admin_text(running) == admin_text(next));
  compare("access_log", running.access_log.file == next.access_log.file && running.access_log.format == next.access_log.format);
  compare("log", running.log.level == next.log.level && running.log.format == next.log.format);
  return warnings;
}

}  // namespace sluice
