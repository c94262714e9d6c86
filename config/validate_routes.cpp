#include <algorithm>
#include <map>
#include <tuple>

#include "config/suggestion.h"
#include "config/validate.h"

namespace sluice::config {
namespace {

void validate_reference(const std::string& name, const std::vector<std::string>& known, const char* what,
                        const std::string& path, Report& report) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  const std::string ending = known.empty() ? std::string("expected one that is defined") : hint(name, known);
  report.problem(path, std::string("there is no ") + what + " " + in_quotes(name) + "; " + ending);
}

void validate_action(const Route& route, const std::string& path, Report& report) {
  if (report.is_wrong(path)) return;
  const auto has = [&](bool set, const char* key) { return set || report.mentions(path + "." + key); };
  std::vector<std::string> actions;
  if (has(route.upstream.has_value(), "upstream")) actions.push_back("upstream");
  if (has(route.split.has_value(), "split")) actions.push_back("split");
  if (has(route.redirect.has_value(), "redirect")) actions.push_back("redirect");
  if (has(route.respond.has_value(), "respond")) actions.push_back("respond");
  if (actions.size() == 1) return;
  if (actions.empty()) {
    report.problem(path, "leads nowhere; expected exactly one of upstream, split, redirect and respond");
    return;
  }
  // The message stands at the second one, which is the likelier to be superfluous.
  report.problem(path + "." + actions[1],
                 "stands beside " + actions[0] + "; expected exactly one of upstream, split, redirect and respond");
}

void validate_split(const Split& split, const std::vector<std::string>& upstreams, const std::string& path, Report& report) {
  const auto is_known_before = [&split](std::size_t end) {
    const auto same = [&](const SplitSide& side) { return side.upstream == split.to[end].upstream; };
    return std::any_of(split.to.begin(), split.to.begin() + static_cast<std::ptrdiff_t>(end), same);
  };
  for (std::size_t i = 0; i < split.to.size(); ++i) {
    const std::string side = path + ".to[" + std::to_string(i) + "]";
    if (report.is_wrong(side) || split.to[i].upstream.empty()) continue;
    validate_reference(split.to[i].upstream, upstreams, "upstream", side + ".upstream", report);
    if (is_known_before(i)) {
      report.problem(side + ".upstream", "names " + in_quotes(split.to[i].upstream) + " again; expected each upstream once");
    }
  }
  const bool all_zero = std::all_of(split.to.begin(), split.to.end(), [](const SplitSide& side) { return side.weight == 0; });
  if (all_zero && !split.to.empty() && !report.is_wrong(path + ".to")) {
    report.problem(path + ".to", "has no weight above 0, so requests lead nowhere; expected at least one");
  }
}

// Each side would replace the other's cookie, and nobody would stay anywhere.
void warn_of_shared_cookies(const Split& split, const Config& config, const std::string& path, Report& report) {
  std::map<std::string, std::string> owners;
  for (const SplitSide& side : split.to) {
    for (const Upstream& upstream : config.upstreams) {
      if (upstream.name != side.upstream || !upstream.sticky) continue;
      const auto [owner, is_new] = owners.try_emplace(upstream.sticky->cookie, upstream.name);
      if (is_new || owner->second == upstream.name) continue;
      report.warning(path + ".to", "leads to " + in_quotes(owner->second) + " and " + in_quotes(upstream.name) +
                                       ", whose sticky.cookie is " + in_quotes(upstream.sticky->cookie) +
                                       " both; expected different ones");
    }
  }
}

void validate_mirror(const Route& route, const std::vector<std::string>& upstreams, const std::string& path, Report& report) {
  if (report.is_wrong(path) || route.mirror->upstream.empty()) return;
  validate_reference(route.mirror->upstream, upstreams, "upstream", path + ".upstream", report);
  if (route.redirect || route.respond) {
    report.warning(path, "has no effect, the route answers by itself");
  } else if (route.match.websocket == true) {
    report.warning(path, "has no effect beside match.websocket: true, WebSockets are not copied");
  } else if (route.leads_to(route.mirror->upstream)) {
    report.warning(path + ".upstream", "is one that the route leads to: it gets such requests twice");
  }
}

void validate_respond(const Respond& respond, const std::string& path, Report& report) {
  const bool bodiless = respond.status == 204 || respond.status == 205 || respond.status == 304;
  if (!bodiless || respond.body.empty()) return;
  report.problem(path + ".body",
                 "stands beside status " + std::to_string(respond.status) +
                     ", which has no body (RFC 9110 15); expected one of them without the other");
}

void validate_fields(const std::vector<FieldMatch>& fields, const std::string& path, Report& report) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string element = path + "[" + std::to_string(i) + "]";
    if (report.is_wrong(element)) continue;
    const auto has = [&](bool set, const char* key) { return set || report.mentions(element + "." + key); };
    const int asked = has(fields[i].equals.has_value(), "equals") + has(fields[i].regex.has_value(), "regex") +
                      has(fields[i].present, "present");
    if (asked != 1) {
      report.problem(element, "expected exactly one of equals, regex and present: true");
    } else if (!fields[i].present && report.mentions(element + ".present")) {
      report.problem(element + ".present", "is false; expected true, or another condition");
    }
  }
}

void validate_match(const RouteMatch& match, const std::string& path, Report& report) {
  const auto has = [&](bool set, const char* key) { return set || report.mentions(path + "." + key); };
  std::vector<std::string> paths;
  if (has(match.path.has_value(), "path")) paths.push_back("path");
  if (has(match.path_prefix.has_value(), "path_prefix")) paths.push_back("path_prefix");
  if (has(match.path_regex.has_value(), "path_regex")) paths.push_back("path_regex");
  if (paths.size() > 1) {
    report.problem(path + "." + paths[1], "stands beside " + paths[0] + "; expected one of path, path_prefix and path_regex");
  }
  validate_fields(match.headers, path + ".headers", report);
  validate_fields(match.query, path + ".query", report);
  if (match.websocket == false && !match.subprotocols.empty()) {
    report.problem(path + ".subprotocols", "stands beside websocket: false; plain requests offer none");
  }
  const bool get = match.methods.empty() ||
                   std::find(match.methods.begin(), match.methods.end(), "GET") != match.methods.end();
  if (match.websocket == true && !get) {
    report.warning(path + ".methods", "never matches: a WebSocket upgrade is always a GET");
  }
}

template <class T>
std::vector<T> sorted(std::vector<T> items) {
  std::sort(items.begin(), items.end());
  return items;
}

// Everything but the hosts.
bool same_conditions(const RouteMatch& a, const RouteMatch& b) {
  return std::tie(a.path, a.path_prefix, a.path_regex, a.websocket, a.headers, a.query) ==
             std::tie(b.path, b.path_prefix, b.path_regex, b.websocket, b.headers, b.query) &&
         sorted(a.subprotocols) == sorted(b.subprotocols) && sorted(a.methods) == sorted(b.methods) && sorted(a.listeners) == sorted(b.listeners);
}

bool contains(const std::vector<std::string>& hosts, const std::string& host) {
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

// Equal conditions are decided by file order, so a route whose every host an earlier route has too is never
// reached.
void warn_when_shadowed(const Config& config, std::size_t index, const std::string& path, Report& report) {
  const RouteMatch& match = config.routes[index].match;
  std::string before;
  const auto taken = [&](const std::string* host) {
    for (std::size_t i = 0; i < index; ++i) {
      const RouteMatch& earlier = config.routes[i].match;
      if (!same_conditions(earlier, match)) continue;
      if (host != nullptr ? !contains(earlier.hosts, *host) : !earlier.hosts.empty()) continue;
      before = config.routes[i].name;
      return true;
    }
    return false;
  };
  const bool never = match.hosts.empty()
                         ? taken(nullptr)
                         : std::all_of(match.hosts.begin(), match.hosts.end(),
                                       [&taken](const std::string& host) { return taken(&host); });
  if (never)
    report.warning(path, "can never match: route " + in_quotes(before) + " before it matches the same");
}

}  // namespace

void validate_routes(const Config& config, Report& report) {
  validate_names(config.routes, "routes", report);
  const std::vector<std::string> upstreams = names_of(config.upstreams);
  const std::vector<std::string> listeners = names_of(config.listeners);
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    const std::string path = "routes[" + std::to_string(i) + "]";
    validate_action(route, path, report);
    if (route.upstream)
      validate_reference(*route.upstream, upstreams, "upstream", path + ".upstream", report);
    if (route.split) {
      validate_split(*route.split, upstreams, path + ".split", report);
      warn_of_shared_cookies(*route.split, config, path + ".split", report);
    }
    if (route.mirror) validate_mirror(route, upstreams, path + ".mirror", report);
    if (route.respond) validate_respond(*route.respond, path + ".respond", report);
    validate_match(route.match, path + ".match", report);
    if (route.rewrite) validate_rewrite(route, path + ".rewrite", report);
    validate_websocket(config, route, path, report);
    for (std::size_t j = 0; j < route.match.listeners.size(); ++j) {
      validate_reference(route.match.listeners[j], listeners, "listener",
                         path + ".match.listeners[" + std::to_string(j) + "]", report);
    }
    warn_when_shadowed(config, i, path, report);
  }
  if (config.routes.empty()) report.warning("routes", "there is none: every request is answered 404");
}

}  // namespace sluice::config
