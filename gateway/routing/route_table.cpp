#include "gateway/routing/route_table.h"

#include <algorithm>
#include <functional>

#include "gateway/routing/conditions.h"

namespace sluice::routing {
namespace {

using config::RouteMatch;

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
  if (!suffix.empty()) insert_length(wildcard_lengths_, suffix.size());
  HostRoutes& routes =
      suffix.empty() ? exact_hosts_[std::string(pattern)] : wildcard_hosts_[std::string(suffix)];
  routes.pattern = pattern;
  return routes;
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
  routes.all.push_back(index);
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

template <class Visit>
bool RouteTable::visit_hosts(const RouteInput& input, Visit visit) const {
  const std::string_view host = without_trailing_dot(input.host);
  if (const auto exact = exact_hosts_.find(host); exact != exact_hosts_.end() && visit(exact->second))
    return true;
  for (const std::size_t length : wildcard_lengths_) {
    if (!has_labels_before(host, length)) continue;
    const auto wildcard = wildcard_hosts_.find(host.substr(host.size() - length));
    if (wildcard != wildcard_hosts_.end() && visit(wildcard->second)) return true;
  }
  return visit(any_host_);
}

template <class Visit>
bool RouteTable::visit_paths(const HostRoutes& routes, std::string_view path, Visit visit) {
  if (const auto exact = routes.exact.find(path); exact != routes.exact.end() && visit(exact->second))
    return true;
  if (visit(routes.regexes)) return true;
  for (const std::size_t length : routes.prefix_lengths) {
    if (!ends_on_segment(path, length)) continue;
    const auto prefix = routes.prefixes.find(path.substr(0, length));
    if (prefix != routes.prefixes.end() && visit(prefix->second)) return true;
  }
  return visit(routes.root) || visit(routes.any);
}

std::size_t RouteTable::match(const RouteInput& input) const {
  std::size_t found = kNone;
  const auto try_candidates = [&](const Candidates& candidates) {
    found = first_match(candidates, input);
    return found != kNone;
  };
  visit_hosts(input,
              [&](const HostRoutes& routes) { return visit_paths(routes, input.path, try_candidates); });
  return found;
}

std::size_t RouteTable::first_match(const Candidates& candidates, const RouteInput& input) const {
  const auto found = std::find_if(candidates.begin(), candidates.end(), [&](std::size_t index) {
    return meets_conditions(routes_[index].match, input);
  });
  return found == candidates.end() ? kNone : *found;
}

std::vector<RouteTable::Coverage> RouteTable::coverage(const RouteInput& input) const {
  std::vector<Coverage> coverage(routes_.size());
  const auto note_paths = [&](const Candidates& candidates) {
    for (const std::size_t index : candidates) coverage[index].path = true;
    return false;
  };
  visit_hosts(input, [&](const HostRoutes& routes) {
    for (const std::size_t index : routes.all) {
      if (!coverage[index].host) coverage[index].host_pattern = routes.pattern;
      coverage[index].host = true;
    }
    return visit_paths(routes, input.path, note_paths);
  });
  return coverage;
}

}  // namespace sluice::routing
