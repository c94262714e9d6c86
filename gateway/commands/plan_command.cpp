#include "gateway/commands/plan_command.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gateway/commands/admin_client.h"
#include "gateway/commands/admin_commands.h"
#include "gateway/commands/trial_request.h"
#include "gateway/reload_rules.h"

namespace sluice::commands {
namespace {

// Each section's lines: what comes (+), goes (-) and changes (~); nothing when it stays as it is.
class Section {
 public:
  explicit Section(const char* title) : title_(title) {}
  void add(char sign, const std::string& what) { lines_ += std::string("  ") + sign + " " + what + "\n"; }
  std::string text() const { return lines_.empty() ? "" : std::string(title_) + "\n" + lines_; }

 private:
  const char* title_;
  std::string lines_;
};

template <typename Named>
const Named* find(const std::vector<Named>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Named& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

bool has_endpoint(const config::Upstream* upstream, const std::string& url) {
  return upstream != nullptr && std::any_of(upstream->endpoints.begin(), upstream->endpoints.end(),
                                            [&](const config::Endpoint& one) { return one.url == url; });
}

bool has_entry(const config::Upstream& upstream, const std::string& text) {
  return std::any_of(upstream.discoveries.begin(), upstream.discoveries.end(),
                     [&](const config::Discovery& one) { return one.text() == text; });
}

// Whether an endpoint that the gateway has now stays. One that does not stand in the file was discovered, and stays as long as
// every entry does that may have led to it.
bool keeps_endpoint(const config::Upstream* before, const config::Upstream* next, const std::string& url) {
  if (has_endpoint(next, url)) return true;
  if (before == nullptr || next == nullptr || before->discoveries.empty() || has_endpoint(before, url)) return false;
  return std::all_of(before->discoveries.begin(), before->discoveries.end(),
                     [next](const config::Discovery& one) { return has_entry(*next, one.text()); });
}

std::string listeners(const config::Config& running, const config::Config& next) {
  Section section("listeners");
  const std::vector<std::optional<std::size_t>> kept = kept_listeners(running.listeners, next.listeners);
  for (std::size_t i = 0; i < next.listeners.size(); ++i) {
    const config::Listener& listener = next.listeners[i];
    const std::string what = listener.name + " on " + listener.address.text();
    if (!kept[i]) section.add('+', what + " is opened");
    if (kept[i] && running.listeners[*kept[i]] != listener) section.add('~', what + " keeps its sockets, and changes for new connections");
  }
  for (std::size_t i = 0; i < running.listeners.size(); ++i) {
    if (std::find(kept.begin(), kept.end(), i) != kept.end()) continue;
    section.add('-', running.listeners[i].name + " on " + running.listeners[i].address.text() +
                         " is closed; connections made through it go on");
  }
  return section.text();
}

std::string routes(const config::Config& running, const config::Config& next) {
  Section section("routes");
  for (const config::Route& route : next.routes) {
    const config::Route* before = find(running.routes, route.name);
    if (before == nullptr) section.add('+', route.name);
    if (before == nullptr || *before == route) continue;
    section.add('~', route.name);
    for (const config::Upstream& upstream : running.upstreams) {
      if (!before->leads_to(upstream.name) || route.leads_to(upstream.name)) continue;
      section.add('-', route.name + " to " + upstream.name + "; its WebSockets there are let go");
    }
  }
  for (const config::Route& route : running.routes) {
    if (find(next.routes, route.name) == nullptr) section.add('-', route.name + "; its WebSockets are let go");
  }
  return section.text();
}

std::string upstreams(const config::Config& running, const config::Config& next) {
  Section section("upstreams");
  for (const config::Upstream& upstream : next.upstreams) {
    const config::Upstream* before = find(running.upstreams, upstream.name);
    if (before == nullptr) section.add('+', upstream.name);
    if (before == nullptr || *before == upstream) continue;
    section.add('~', upstream.name + ": new connections to its endpoints");
    for (const config::Endpoint& endpoint : upstream.endpoints) {
      if (!has_endpoint(before, endpoint.url)) section.add('+', upstream.name + " " + endpoint.url);
    }
    for (const config::Endpoint& endpoint : before->endpoints) {
      if (!has_endpoint(&upstream, endpoint.url)) section.add('-', upstream.name + " " + endpoint.url + "; its WebSockets are let go");
    }
    for (const config::Discovery& asked : upstream.discoveries) {
      if (!has_entry(*before, asked.text())) section.add('+', upstream.name + " " + asked.text());
    }
    for (const config::Discovery& asked : before->discoveries) {
      if (!has_entry(upstream, asked.text())) section.add('-', upstream.name + " " + asked.text() + "; the WebSockets of what only it leads to are let go");
    }
  }
  for (const config::Upstream& upstream : running.upstreams) {
    if (find(next.upstreams, upstream.name) == nullptr) section.add('-', upstream.name + "; its WebSockets are let go");
  }
  return section.text();
}

std::string settings(const config::Config& running, const config::Config& next) {
  Section section("settings");
  if (running.timeouts != next.timeouts) section.add('~', "timeouts");
  if (running.limits != next.limits) section.add('~', "limits");
  if (running.resolver != next.resolver) section.add('~', "resolver");
  if (running.watch != next.watch) section.add('~', next.watch ? "files are watched" : "files are not watched any more");
  return section.text();
}

std::string later(const config::Config& running, const config::Config& next) {
  std::string text;
  for (const std::string& warning : takes_effect_later(running, next)) text += warning + "\n";
  return text;
}

std::string drained(const config::Config& running, const config::Config& next, const std::string& admin) {
  const nlohmann::json status = nlohmann::json::parse(status_command(admin, true));
  Section section("WebSockets that are let go");
  std::int64_t all = 0, go = 0;
  for (const nlohmann::json& one : status.at("tunnels")) {
    const std::int64_t open = one.at("open").get<std::int64_t>();
    all += open;
    if (one.contains("leaving")) continue;
    const std::string route = one.at("route").get<std::string>(), upstream = one.at("upstream").get<std::string>(),
                      endpoint = one.at("endpoint").get<std::string>();
    const config::Route* stays = find(next.routes, route);
    if (stays != nullptr && stays->leads_to(upstream) && keeps_endpoint(find(running.upstreams, upstream), find(next.upstreams, upstream), endpoint)) continue;
    go += open;
    const config::Route* rules = find(running.routes, route);
    const config::WebSocketDrain drain = rules == nullptr ? config::WebSocketDrain{} : rules->websocket.drain;
    section.add('-', std::to_string(open) + " of route " + route + " at " + upstream + " " + endpoint + ": Close " +
                         std::to_string(drain.code) + ", spread over " + std::to_string(drain.over.count()) + " ms");
  }
  return section.text() + std::to_string(go) + " of " + std::to_string(all) + " open WebSockets would be let go\n";
}

}  // namespace

std::string plan_command(const config::Config& running, const config::Config& next, const std::string& admin) {
  std::string text = listeners(running, next) + routes(running, next) + upstreams(running, next) +
                     settings(running, next) + later(running, next);
  if (text.empty()) text = "nothing changes, unless a file did that the configuration names\n";
  if (admin.empty()) return text;
  try {
    return text + drained(running, next, admin);
  } catch (const nlohmann::json::exception&) {
    throw UnreachableError(admin + " answers to /status with something that is no status; is it a Sluice of this version?");
  }
}

}  // namespace sluice::commands
