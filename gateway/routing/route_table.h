// Finds the route of a request: the most specific match wins. Immutable after construction, so every worker
// may read it.
//
// To add a matcher: its test in <what>_match.* here, its field in RouteInput, and its row in kConditions
// (route_table.cpp).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/route_config.h"
#include "gateway/http/headers.h"
#include "gateway/routing/host_match.h"
#include "gateway/routing/path_match.h"

namespace sluice::routing {

// What matchers look at. Views live as long as the request's head.
struct RouteInput {
  std::string_view listener;
  std::string_view host;  // without port, any case
  std::string_view path;  // normalised
  std::string_view method;
  std::string_view query;  // as it came
  bool websocket = false;  // the request is a WebSocket upgrade
  const http::Headers* headers = nullptr;
};

// Host (exact, wildcard with the longest suffix first, any), then path (exact, regular expressions in file order, longest
// prefix, any), then the number of other conditions (each entry of `headers` and `query` is one), then file order. Hosts and paths
// are found by hash, so the number of routes does not matter, and by the lengths that the configuration has, so a hostile path
// or host of many segments costs no more than any other. Only regular expressions are tried one by one.
class RouteTable {
 public:
  // Keeps references to `routes`, which must outlive it.
  explicit RouteTable(const std::vector<config::Route>& routes);
  explicit RouteTable(std::vector<config::Route>&& routes) = delete;
  // The index into `routes`, or kNone.
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t match(const RouteInput& input) const;

 private:
  // Routes with the same host and the same path, those with the most other conditions first.
  using Candidates = std::vector<std::size_t>;
  using CandidatesByPath = std::unordered_map<std::string, Candidates, PathHash, std::equal_to<>>;
  // The routes of one host.
  struct HostRoutes {
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
  std::size_t find_for_host(const HostRoutes& routes, const RouteInput& input) const;
  std::size_t first_match(const Candidates& candidates, const RouteInput& input) const;

  const std::vector<config::Route>& routes_;
  RoutesByHost exact_hosts_;
  RoutesByHost wildcard_hosts_;                // by suffix
  std::vector<std::size_t> wildcard_lengths_;  // of the suffixes that occur, longest first
  HostRoutes any_host_;
};

}  // namespace sluice::routing
