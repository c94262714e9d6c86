#include "gateway/routing/verdicts.h"

#include "gateway/routing/conditions.h"

namespace sluice::routing {
namespace {

using config::RouteMatch;
using Coverage = RouteTable::Coverage;

std::string unmet_host(const RouteMatch& match, const RouteInput& input) {
  if (input.host.empty()) return "the request has no host; expected one of " + list_text(match.hosts);
  return "host " + std::string(input.host) + " is not in " + list_text(match.hosts);
}

std::string unmet_path(const RouteMatch& match, const RouteInput& input) {
  const std::string path = "path " + std::string(input.path);
  if (match.path) return path + " is not " + *match.path;
  const std::string& prefix = *match.path_prefix;
  if (!input.path.starts_with(prefix)) return path + " does not begin with " + prefix;
  return path + " begins with " + prefix + " in the middle of a segment";
}

std::string host_text(const Coverage& coverage) {
  return coverage.host_pattern.empty() ? "any host" : "host " + coverage.host_pattern;
}

std::string path_text(const RouteMatch& match) {
  if (match.path) return "path " + *match.path;
  if (match.path_regex) return "path_regex " + match.path_regex->pattern();
  return match.path_prefix ? "path_prefix " + *match.path_prefix : "any path";
}

std::string conditions_text(const RouteMatch& match) {
  const std::size_t count = count_conditions(match);
  return std::to_string(count) + (count == 1 ? " other condition" : " other conditions");
}

// By the first rule that tells the two apart (RouteTable).
std::string less_specific(const config::Route& route, const Coverage& coverage, const config::Route& chosen,
                          const Coverage& chosen_coverage) {
  std::string text = "less specific than " + chosen.name + ": ";
  if (coverage.host_pattern != chosen_coverage.host_pattern) {
    return text + host_text(coverage) + ", there " + host_text(chosen_coverage);
  }
  if (route.match.path_regex && chosen.match.path_regex)
    return text + "its path_regex comes later in the file";
  if (path_text(route.match) != path_text(chosen.match)) {
    return text + path_text(route.match) + ", there " + path_text(chosen.match);
  }
  if (count_conditions(route.match) != count_conditions(chosen.match)) {
    return text + conditions_text(route.match) + ", there " + conditions_text(chosen.match);
  }
  return text + "it comes later in the file";
}

}  // namespace

std::vector<Verdict> verdicts(const RouteTable& table, const RouteInput& input) {
  const std::vector<config::Route>& routes = table.routes();
  const std::vector<Coverage> coverage = table.coverage(input);
  const std::size_t chosen = table.match(input);
  std::vector<Verdict> verdicts(routes.size());
  for (std::size_t i = 0; i < routes.size(); ++i) {
    Verdict& verdict = verdicts[i];
    if (i == chosen) {
      verdict.kind = Verdict::Kind::chosen;
    } else if (!coverage[i].host) {
      verdict.reason = unmet_host(routes[i].match, input);
    } else if (!coverage[i].path) {
      verdict.reason = unmet_path(routes[i].match, input);
    } else if (verdict.reason = unmet_condition(routes[i].match, input); verdict.reason.empty()) {
      verdict.kind = Verdict::Kind::less_specific;
      verdict.reason = less_specific(routes[i], coverage[i], routes[chosen], coverage[chosen]);
    }
  }
  return verdicts;
}

}  // namespace sluice::routing
