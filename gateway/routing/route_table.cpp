#include "gateway/routing/route_table.h"

#include <algorithm>
#include <functional>

#include "gateway/routing/listener_match.h"
#include "gateway/routing/method_match.h"
#include "gateway/routing/websocket_match.h"

namespace sluice::routing {
namespace {

using config::RouteMatch;

// The conditions other than host and path: whether a route has one, and whether a request meets it.
struct Condition {
  bool (*is_set)(const RouteMatch&) noexcept;
  bool (*matches)(const RouteMatch&, const RouteInput&) noexcept;
};

constexpr Condition kConditions[] = {
    {[](const RouteMatch& match) noexcept { return !match.methods.empty(); },
     [](const RouteMatch& match, const RouteInput& in) noexcept {
       return method_matches(match.methods, in.method);
     }},
    {[](const RouteMatch& match) noexcept { return match.websocket.has_value(); },
     [](const RouteMatch& match, const RouteInput& in) noexcept {
       return websocket_matches(match.websocket, in.websocket);
     }},
    {[](const RouteMatch& match) noexcept { return !match.listeners.empty(); },
     [](const RouteMatch& match, const RouteInput& in) noexcept {
       return listener_matches(match.listeners, in.listener);
     }},
};

std::ptrdiff_t count_conditions(const RouteMatch& match) noexcept {
  return std::count_if(std::begin(kConditions), std::end(kConditions),
                       [&](const Condition& condition) { return condition.is_set(match); });
}

bool meets_conditions(const RouteMatch& match, const RouteInput& input) noexcept {
  return std::all_of(std::begin(kConditions), std::end(kConditions),
                     [&](const Condition& condition) { return condition.matches(match, input); });
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
  if (!match.path_prefix) return routes.any;
  if (*match.path_prefix == kRootPrefix) return routes.root;
  insert_length(routes.prefix_lengths, match.path_prefix->size());
  return routes.prefixes[*match.path_prefix];
}

void RouteTable::add(HostRoutes& routes, std::size_t index) {
  const RouteMatch& match = routes_[index].match;
  Candidates& list = candidates(routes, match);
  // Behind those with as many conditions, which came earlier in the file.
  const auto place = std::upper_bound(list.begin(), list.end(), count_conditions(match),
                                      [this](std::ptrdiff_t count, std::size_t other) {
                                        return count > count_conditions(routes_[other].match);
                                      });
  list.insert(place, index);
}

std::size_t RouteTable::match(const RouteInput& input) const noexcept {
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

std::size_t RouteTable::find_for_host(const HostRoutes& routes, const RouteInput& input) const noexcept {
  if (const auto exact = routes.exact.find(input.path); exact != routes.exact.end()) {
    if (const std::size_t found = first_match(exact->second, input); found != kNone) return found;
  }
  for (const std::size_t length : routes.prefix_lengths) {
    if (!ends_on_segment(input.path, length)) continue;
    const auto prefix = routes.prefixes.find(input.path.substr(0, length));
    if (prefix == routes.prefixes.end()) continue;
    if (const std::size_t found = first_match(prefix->second, input); found != kNone) return found;
  }
  if (const std::size_t found = first_match(routes.root, input); found != kNone) return found;
  return first_match(routes.any, input);
}

std::size_t RouteTable::first_match(const Candidates& candidates, const RouteInput& input) const noexcept {
  const auto found = std::find_if(candidates.begin(), candidates.end(), [&](std::size_t index) {
    return meets_conditions(routes_[index].match, input);
  });
  return found == candidates.end() ? kNone : *found;
}

}  // namespace sluice::routing
