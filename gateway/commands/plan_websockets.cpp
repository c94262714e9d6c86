#include "gateway/commands/plan_websockets.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "config/value_text.h"
#include "gateway/commands/plan_parts.h"
#include "upstream/rebalance.h"

namespace sluice::commands {
namespace {

using Json = nlohmann::json;

struct WebSockets {
  std::int64_t all = 0, go = 0;
  std::map<std::string, std::map<std::string, std::int64_t>> stay;  // by upstream and endpoint
};

bool stays(const config::Config& running, const config::Config& next, const std::string& route, const std::string& upstream,
           const std::string& endpoint) {
  const config::Route* rules = find_named(next.routes, route);
  const config::Upstream* before = find_named(running.upstreams, upstream);
  const config::Upstream* after = find_named(next.upstreams, upstream);
  return rules != nullptr && rules->leads_to(upstream) && before != nullptr && after != nullptr && keeps_endpoint(*before, *after, endpoint);
}

WebSockets let_go(const config::Config& running, const config::Config& next, const Json& status, PlanSection& section) {
  WebSockets count;
  for (const Json& one : status.at("tunnels")) {
    const std::int64_t open = one.at("open").get<std::int64_t>();
    count.all += open;
    if (one.contains("leaving")) continue;
    const std::string route = one.at("route").get<std::string>(), upstream = one.at("upstream").get<std::string>(),
                      endpoint = one.at("endpoint").get<std::string>();
    if (stays(running, next, route, upstream, endpoint)) {
      count.stay[upstream][endpoint] += open;
      continue;
    }
    count.go += open;
    const config::Route* rules = find_named(running.routes, route);
    const config::WebSocketDrain drain = rules == nullptr ? config::WebSocketDrain{} : rules->websocket.drain;
    section.add('-', std::to_string(open) + " of route " + route + " at " + upstream + " " + endpoint + ": Close " +
                         std::to_string(drain.code) + ", spread over " + config::duration_text(drain.over));
  }
  return count;
}

upstream::Endpoint endpoint_of(const config::Endpoint& settings, const Json* known) {
  upstream::Endpoint endpoint;
  endpoint.settings = settings;
  endpoint.state = std::make_shared<upstream::EndpointState>();
  if (known == nullptr) return endpoint;
  endpoint.out = known->at("state") == "out";
  return endpoint;
}

// What the gateway's workers would see of the upstream: `before` as they have it now, `now` after the reload. Of one that was
// discovered the weight is not known here.
struct Sides {
  std::vector<upstream::Endpoint> before, now;
};
Sides sides_of(const config::Upstream& running, const config::Upstream& next, const Json& endpoints) {
  Sides sides;
  std::map<std::string, const Json*> known;
  for (const Json& one : endpoints) {
    const std::string url = one.at("url").get<std::string>();
    known[url] = &one;
    config::Endpoint settings;
    settings.url = url;
    if (const config::Endpoint* written = find_endpoint(running, url)) settings = *written;
    sides.before.push_back(endpoint_of(settings, &one));
    if (find_endpoint(next, url) == nullptr && keeps_endpoint(running, next, url)) sides.now.push_back(sides.before.back());
  }
  for (const config::Endpoint& settings : next.endpoints) {
    const auto found = known.find(settings.url);
    sides.now.push_back(endpoint_of(settings, found == known.end() ? nullptr : found->second));
    const auto same = [&](const upstream::Endpoint& one) { return one.settings.url == settings.url; };
    const auto was = std::find_if(sides.before.begin(), sides.before.end(), same);
    if (was != sides.before.end()) sides.now.back().state = was->state;
  }
  return sides;
}

// Endpoints that join take what the others have beyond their share, if `rebalance` says so. About as many, since workers round by chance.
std::int64_t moves(const Sides& sides, const std::map<std::string, std::int64_t>& tunnels) {
  if (!upstream::any_joined(sides.before, sides.now)) return 0;
  for (const upstream::Endpoint& one : sides.now) {
    const auto here = tunnels.find(one.settings.url);
    if (here != tunnels.end()) one.state->tunnels = static_cast<std::uint32_t>(here->second);
  }
  const std::vector<double> parts = upstream::parts_in_excess(sides.now);
  double sum = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) sum += parts[i] * static_cast<double>(sides.now[i].state->tunnels);
  return static_cast<std::int64_t>(std::ceil(sum - 1e-6));
}

std::int64_t moved(const config::Config& running, const config::Config& next, const Json& status, const WebSockets& count,
                   PlanSection& section) {
  std::int64_t all = 0;
  for (const Json& one : status.at("upstreams")) {
    const std::string name = one.at("name").get<std::string>();
    const config::Upstream* before = find_named(running.upstreams, name);
    const config::Upstream* after = find_named(next.upstreams, name);
    const auto tunnels = count.stay.find(name);
    if (before == nullptr || after == nullptr || !after->rebalance || tunnels == count.stay.end()) continue;
    const std::string over = ", spread over " + config::duration_text(after->rebalance->over) + " (rebalance)";
    const std::int64_t number = moves(sides_of(*before, *after, one.at("endpoints")), tunnels->second);
    if (number > 0) section.add('~', "about " + std::to_string(number) + " of upstream " + name + " move to endpoints that join" + over);
    for (const config::Discovery& asked : after->discoveries) {
      if (!has_entry(*before, asked.text())) section.add('~', "some of upstream " + name + " move to what " + asked.text() + " leads to" + over);
    }
    all += number;
  }
  return all;
}

}  // namespace

std::string plan_websockets(const config::Config& running, const config::Config& next, const std::string& status) {
  const Json parsed = Json::parse(status);
  PlanSection section("WebSockets that are let go");
  const WebSockets count = let_go(running, next, parsed, section);
  PlanSection moving("WebSockets that move");
  const std::int64_t number = moved(running, next, parsed, count, moving);
  return section.text() + moving.text() + std::to_string(count.go) + " of " + std::to_string(count.all) + " open WebSockets would be let go" +
         (number > 0 ? ", about " + std::to_string(number) + " moved" : "") + "\n";
}

}  // namespace sluice::commands
