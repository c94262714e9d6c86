#include "gateway/reload_rules.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr char kUntilRestart[] = " is taken over at the next restart";

std::string path_of(const config::Config& config, const config::Listener& listener) {
  return "listeners[" + std::to_string(&listener - config.listeners.data()) + "]";
}

std::string admin_text(const config::Config& config) {
  return config.admin ? config.admin->address.text() + " " + config.admin->token : "";
}

}  // namespace

const config::Listener* same_listener(const config::Config& running, const config::Listener& listener) {
  const auto found = std::find_if(running.listeners.begin(), running.listeners.end(), [&](const config::Listener& one) {
    return one.name == listener.name && one.address.text() == listener.address.text() && one.mode == listener.mode;
  });
  return found == running.listeners.end() ? nullptr : &*found;
}

std::vector<std::string> needs_restart(const config::Config& running, const config::Config& next) {
  std::vector<std::string> reasons;
  for (const config::Listener& listener : next.listeners) {
    if (same_listener(running, listener) != nullptr) continue;
    reasons.push_back(path_of(next, listener) + ": " + listener.name + " on " + listener.address.text() +
                      " is not open yet; listeners are opened at start only, restart to have it");
  }
  for (const config::Listener& listener : running.listeners) {
    if (same_listener(next, listener) != nullptr) continue;
    reasons.push_back("listeners: " + listener.name + " on " + listener.address.text() +
                      " is missing; listeners are closed by a restart only, leave it in until then");
  }
  return reasons;
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
