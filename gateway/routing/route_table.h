// Finds the route of a request: the most specific match wins. Immutable after construction, so every worker
// may read it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/route_config.h"
#include "gateway/routing/host_match.h"
#include "gateway/routing/path_match.h"
#include "gateway/routing/route_input.h"

namespace sluice::routing {

// Host (exact, wildcard with the longest suffix first, any), then path (exact, regular expressions in file
// order, longest prefix, any), then the number of other conditions (each entry of `headers` and `query` is
// one), then file order. Hosts and paths are found by hash, so the number of routes does not matter, and by
// the lengths that the configuration has, so a hostile path or host of many segments costs no more than any
// other. Only regular expressions are tried one by one.
class RouteTable {
 public:
  // Keeps references to `routes`, which must outlive it.
  explicit RouteTable(const std::vector<config::Route>& routes);
  explicit RouteTable(std::vector<config::Route>&& routes) = delete;
  // The index into `routes`, or kNone.
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t match(const RouteInput& input) const;

  const std::vector<config::Route>& routes() const noexcept { return routes_; }

  // How far a request gets with one route.
  struct Coverage {
    bool host = false;
    bool path = false;
    // The most specific of the route's hosts that cover the request's, in lower case; empty: any host.
    std::string host_pattern;
  };
  // Of each route, for whoever explains a match: found by the same walk as the match.
  std::vector<Coverage> coverage(const RouteInput& input) const;

 private:
  // Routes with the same host and the same path, those with the most other conditions first.
  using Candidates = std::vector<std::size_t>;
  using CandidatesByPath = std::unordered_map<std::string, Candidates, PathHash, std::equal_to<>>;
  // The routes of one host.
  struct HostRoutes {
    std::string pattern;  // as in `hosts`; empty: any
    Candidates all;       // in file order
    CandidatesByPath exact;
    Candidates regexes;                       // in file order
    CandidatesByPath prefixes;                // but the root
    std::vector<std::size_t> prefix_lengths;  // those that occur, longest first
    Candidates root;                          // path_prefix: /
    Candidates any;
  };
  using RoutesByHost = std::unordered_map<std::string, HostRoutes, HostHash, HostEqual>;

  HostRoutes& host_routes(std::string_view pattern);
  static Candidates& candidates(HostRoutes& routes, const config::RouteMatch& match);
  void add(HostRoutes& routes, std::size_t index);
  // Both call `visit` with what covers the request, the most specific first, until it returns true.
  template <class Visit>
  bool visit_hosts(const RouteInput& input, Visit visit) const;
  template <class Visit>
  static bool visit_paths(const HostRoutes& routes, std::string_view path, Visit visit);
  std::size_t first_match(const Candidates& candidates, const RouteInput& input) const;

  const std::vector<config::Route>& routes_;
  RoutesByHost exact_hosts_;
  RoutesByHost wildcard_hosts_;                // by suffix
  std::vector<std::size_t> wildcard_lengths_;  // of the suffixes that occur, longest first
  HostRoutes any_host_;
};

}  // namespace sluice::routing
