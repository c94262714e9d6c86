#include "gateway/commands/plan_command.h"

#include <nlohmann/json.hpp>

#include "gateway/commands/admin_client.h"
#include "gateway/commands/admin_commands.h"
#include "gateway/commands/changed_keys.h"
#include "gateway/commands/plan_parts.h"
#include "gateway/commands/plan_websockets.h"
#include "gateway/commands/trial_request.h"
#include "gateway/reload_rules.h"

namespace sluice::commands {
namespace {

std::string listeners(const config::Config& running, const config::Config& next) {
  PlanSection section("listeners");
  const std::vector<std::optional<std::size_t>> kept = kept_listeners(running.listeners, next.listeners);
  for (std::size_t i = 0; i < next.listeners.size(); ++i) {
    const config::Listener& listener = next.listeners[i];
    const std::string what = listener.name + " on " + listener.address.text();
    if (!kept[i]) section.add('+', what + " is opened");
    if (kept[i] && running.listeners[*kept[i]] != listener) section.add('~', what + " keeps its sockets, and changes for new connections: " + changed_keys(running.listeners[*kept[i]], listener));
  }
  for (std::size_t i = 0; i < running.listeners.size(); ++i) {
    if (std::find(kept.begin(), kept.end(), i) != kept.end()) continue;
    section.add('-', running.listeners[i].name + " on " + running.listeners[i].address.text() +
                         " is closed; connections made through it go on");
  }
  return section.text();
}

std::string routes(const config::Config& running, const config::Config& next) {
  PlanSection section("routes");
  for (const config::Route& route : next.routes) {
    const config::Route* before = find_named(running.routes, route.name);
    if (before == nullptr) section.add('+', route.name);
    if (before == nullptr || *before == route) continue;
    section.add('~', route.name + ": " + changed_keys(*before, route));
    for (const config::Upstream& upstream : running.upstreams) {
      if (!before->leads_to(upstream.name) || route.leads_to(upstream.name)) continue;
      section.add('-', route.name + " to " + upstream.name + "; its WebSockets there are let go");
    }
  }
  for (const config::Route& route : running.routes) {
    if (find_named(next.routes, route.name) == nullptr) section.add('-', route.name + "; its WebSockets are let go");
  }
  return section.text();
}

// Kept ones, see Cluster::take_over(); a connection with a PROXY header is known by it. What is in certificates' files is not compared.
bool keeps_connections(const config::Upstream& before, const config::Upstream& next) {
  return before.pool == next.pool && before.protocol == next.protocol && before.proxy_protocol == next.proxy_protocol &&
         (before.tls == next.tls || !next.uses_https());
}

std::string upstreams(const config::Config& running, const config::Config& next) {
  PlanSection section("upstreams");
  for (const config::Upstream& upstream : next.upstreams) {
    const config::Upstream* before = find_named(running.upstreams, upstream.name);
    if (before == nullptr) section.add('+', upstream.name);
    if (before == nullptr || *before == upstream) continue;
    section.add('~', upstream.name + ": " + changed_keys(*before, upstream) +
                         (keeps_connections(*before, upstream) ? "" : "; new connections to its endpoints"));
    for (const config::Endpoint& endpoint : upstream.endpoints) {
      if (find_endpoint(*before, endpoint.url) == nullptr) section.add('+', upstream.name + " " + endpoint.url);
    }
    for (const config::Endpoint& endpoint : before->endpoints) {
      if (find_endpoint(upstream, endpoint.url) == nullptr) section.add('-', upstream.name + " " + endpoint.url + "; its WebSockets are let go");
    }
    for (const config::Discovery& asked : upstream.discoveries) {
      if (!has_entry(*before, asked.text())) section.add('+', upstream.name + " " + asked.text());
    }
    for (const config::Discovery& asked : before->discoveries) {
      if (!has_entry(upstream, asked.text())) section.add('-', upstream.name + " " + asked.text() + "; the WebSockets of what only it leads to are let go");
    }
  }
  for (const config::Upstream& upstream : running.upstreams) {
    if (find_named(next.upstreams, upstream.name) == nullptr) section.add('-', upstream.name + "; its WebSockets are let go");
  }
  return section.text();
}

std::string settings(const config::Config& running, const config::Config& next) {
  PlanSection section("settings");
  const auto compare = [&section](const std::string& name, const auto& before, const auto& after) {
    if (before != after) section.add('~', name + ": " + changed_keys(before, after));
  };
  compare("timeouts", running.timeouts, next.timeouts);
  compare("limits", running.limits, next.limits);
  compare("resolver", running.resolver, next.resolver);
  if (running.watch != next.watch) section.add('~', next.watch ? "files are watched" : "files are not watched any more");
  return section.text();
}

std::string later(const config::Config& running, const config::Config& next) {
  std::string text;
  for (const std::string& warning : takes_effect_later(running, next)) text += warning + "\n";
  return text;
}

}  // namespace

std::string plan_command(const config::Config& running, const config::Config& next, const std::string& admin) {
  std::string text = listeners(running, next) + routes(running, next) + upstreams(running, next) +
                     settings(running, next) + later(running, next);
  if (text.empty()) text = "nothing changes, unless a file did that the configuration names\n";
  if (admin.empty()) return text;
  try {
    return text + plan_websockets(running, next, status_command(admin, true));
  } catch (const nlohmann::json::exception&) {
    throw UnreachableError(admin + " answers to /status with something that is no status; is it a Sluice of this version?");
  }
}

}  // namespace sluice::commands
