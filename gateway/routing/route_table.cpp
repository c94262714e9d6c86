#include "gateway/routing/route_table.h"

#include <algorithm>
#include <functional>

#include "gateway/routing/field_match.h"
#include "gateway/routing/listener_match.h"
#include "gateway/routing/method_match.h"
#include "gateway/routing/subprotocol_match.h"
#include "gateway/routing/websocket_match.h"

namespace sluice::routing {
namespace {

using config::RouteMatch;

// The conditions other than host and path: how many of a kind a route has, and whether a request meets them.
struct Condition {
  std::size_t (*count)(const RouteMatch&);
  bool (*matches)(const RouteMatch&, const RouteInput&);
};

constexpr Condition kConditions[] = {
    {[](const RouteMatch& match) -> std::size_t { return match.methods.empty() ? 0 : 1; },
     [](const RouteMatch& match, const RouteInput& in) { return method_matches(match.methods, in.method); }},
    {[](const RouteMatch& match) -> std::size_t { return match.websocket ? 1 : 0; },
     [](const RouteMatch& match, const RouteInput& in) { return websocket_matches(match.websocket, in.websocket); }},
    {[](const RouteMatch& match) -> std::size_t { return match.listeners.empty() ? 0 : 1; },
     [](const RouteMatch& match, const RouteInput& in) { return listener_matches(match.listeners, in.listener); }},
    {[](const RouteMatch& match) -> std::size_t { return match.subprotocols.empty() ? 0 : 1; },
     [](const RouteMatch& match, const RouteInput& in) {
       return subprotocols_match(match.subprotocols, in.websocket, in.headers);
     }},
    {[](const RouteMatch& match) { return match.headers.size(); },
     [](const RouteMatch& match, const RouteInput& in) { return headers_match(match.headers, in.headers); }},
    {[](const RouteMatch& match) { return match.query.size(); },
     [](const RouteMatch& match, const RouteInput& in) { return query_matches(match.query, in.query); }},
};

std::size_t count_conditions(const RouteMatch& match) {
  std::size_t count = 0;
  for (const Condition& condition : kConditions) count += condition.count(match);
  return count;
}

bool meets_conditions(const RouteMatch& match, const RouteInput& input) {
  return std::all_of(std::begin(kConditions), std::end(kConditions),
                     [&](const Condition& condition) { return condition.matches(match, input); }) &&
         (!match.path_regex || match.path_regex->found_in(input.path));
}

// Keeps `lengths` sorted, longest first, each once.
void insert_length(std::vector<std::size_t>& lengths, std::size_t length) {
  const auto place = std::lower_bound(lengths.begin(), lengths.end(), length, std::greater<>());
  if (place == lengths.end() || *place != length) lengths.insert(place, length);
}

}  // namespace

RouteTable::RouteTable(const std::vector<config::Route>& routes) : routes_(routes) {
  for (std::size_t index = 0; index < routes.size(); ++index) {
    const std::vector<std::string>& hosts = routes[index].match.hosts;
    if (hosts.empty()) add(any_host_, index);
    for (const std::string& host : hosts) add(host_routes(host), index);
  }
}

RouteTable::HostRoutes& RouteTable::host_routes(std::string_view pattern) {
  pattern = without_trailing_dot(pattern);
  const std::string_view suffix = wildcard_suffix(pattern);
  if (suffix.empty()) return exact_hosts_[std::string(pattern)];
  insert_length(wildcard_lengths_, suffix.size());
  return wildcard_hosts_[std::string(suffix)];
}

RouteTable::Candidates& RouteTable::candidates(HostRoutes& routes, const RouteMatch& match) {
  if (match.path) return routes.exact[*match.path];
  if (match.path_regex) return routes.regexes;
  if (!match.path_prefix) return routes.any;
  if (*match.path_prefix == kRootPrefix) return routes.root;
  insert_length(routes.prefix_lengths, match.path_prefix->size());
  return routes.prefixes[*match.path_prefix];
}

void RouteTable::add(HostRoutes& routes, std::size_t index) {
  const RouteMatch& match = routes_[index].match;
  Candidates& list = candidates(routes, match);
  if (match.path_regex) return list.push_back(index);
  // Behind those with as many conditions, which came earlier in the file.
  const auto place = std::upper_bound(list.begin(), list.end(), count_conditions(match),
                                      [this](std::size_t count, std::size_t other) {
                                        return count > count_conditions(routes_[other].match);
                                      });
  list.insert(place, index);
}

std::size_t RouteTable::match(const RouteInput& input) const {
  const std::string_view host = without_trailing_dot(input.host);
  if (const auto exact = exact_hosts_.find(host); exact != exact_hosts_.end()) {
    if (const std::size_t found = find_for_host(exact->second, input); found != kNone) return found;
  }
  for (const std::size_t length : wildcard_lengths_) {
    if (!has_labels_before(host, length)) continue;
    const auto wildcard = wildcard_hosts_.find(host.substr(host.size() - length));
    if (wildcard == wildcard_hosts_.end()) continue;
    if (const std::size_t found = find_for_host(wildcard->second, input); found != kNone) return found;
  }
  return find_for_host(any_host_, input);
}

std::size_t RouteTable::find_for_host(const HostRoutes& routes, const RouteInput& input) const {
  if (const auto exact = routes.exact.find(input.path); exact != routes.exact.end()) {
    if (const std::size_t found = first_match(exact->second, input); found != kNone) return found;
  }
  if (const std::size_t found = first_match(routes.regexes, input); found != kNone) return found;
  for (const std::size_t length : routes.prefix_lengths) {
    if (!ends_on_segment(input.path, length)) continue;
    const auto prefix = routes.prefixes.find(input.path.substr(0, length));
    if (prefix == routes.prefixes.end()) continue;
    if (const std::size_t found = first_match(prefix->second, input); found != kNone) return found;
  }
  if (const std::size_t found = first_match(routes.root, input); found != kNone) return found;
  return first_match(routes.any, input);
}

std::size_t RouteTable::first_match(const Candidates& candidates, const RouteInput& input) const {
  const auto found = std::find_if(candidates.begin(), candidates.end(), [&](std::size_t index) {
    return meets_conditions(routes_[index].match, input);
  });
  return found == candidates.end() ? kNone : *found;
}

}  // namespace sluice::routing
