#include "gateway/routing/route_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace sluice::routing {
namespace {

config::Route route(std::string name, config::RouteMatch match) {
  config::Route route;
  route.name = std::move(name);
  route.match = std::move(match);
  return route;
}

config::RouteMatch on_host(std::vector<std::string> hosts) {
  config::RouteMatch match;
  match.hosts = std::move(hosts);
  return match;
}
config::RouteMatch on_path(std::string path) {
  config::RouteMatch match;
  match.path = std::move(path);
  return match;
}
config::RouteMatch on_prefix(std::string prefix) {
  config::RouteMatch match;
  match.path_prefix = std::move(prefix);
  return match;
}

RouteInput request(std::string_view host, std::string_view path) {
  RouteInput input;
  input.listener = "web";
  input.host = host;
  input.path = path;
  input.method = "GET";
  return input;
}

// The name of the route that a fresh table of `routes` finds.
std::string found(const std::vector<config::Route>& routes, const RouteInput& input) {
  const RouteTable table(routes);
  const std::size_t index = table.match(input);
  return index == RouteTable::kNone ? "none" : routes[index].name;
}

TEST(RouteTable, NoRoutes) { EXPECT_EQ(found({}, request("a", "/")), "none"); }

TEST(RouteTable, ARouteWithoutConditionsTakesAll) {
  const std::vector<config::Route> routes = {route("all", {})};
  EXPECT_EQ(found(routes, request("example.com", "/x")), "all");
  EXPECT_EQ(found(routes, request("", "*")), "all");
}

TEST(RouteTable, HostIgnoresCaseAndATrailingDot) {
  const std::vector<config::Route> routes = {route("exact", on_host({"example.com", "other.com"})),
                                             route("wild", on_host({"*.example.org"}))};
  for (const char* host : {"example.com", "EXAMPLE.com", "example.com.", "Example.Com.", "other.com"}) {
    EXPECT_EQ(found(routes, request(host, "/")), "exact") << host;
  }
  for (const char* host : {"a.example.org", "A.EXAMPLE.ORG.", "a.b.example.org"}) {
    EXPECT_EQ(found(routes, request(host, "/")), "wild") << host;
  }
  for (const char* host :
       {"", ".", "example.co", "www.example.com", "example.org", ".example.org", "xexample.org"}) {
    EXPECT_EQ(found(routes, request(host, "/")), "none") << host;
  }
}

TEST(RouteTable, HostExactThenLongestWildcardThenAny) {
  const std::vector<config::Route> routes = {route("any", {}), route("wild", on_host({"*.example.com"})),
                                             route("longer", on_host({"*.chat.example.com"})),
                                             route("exact", on_host({"eu.chat.example.com"}))};
  EXPECT_EQ(found(routes, request("eu.chat.example.com", "/")), "exact");
  EXPECT_EQ(found(routes, request("us.chat.example.com", "/")), "longer");
  EXPECT_EQ(found(routes, request("chat.example.com", "/")), "wild");
  EXPECT_EQ(found(routes, request("example.com", "/")), "any");
}

TEST(RouteTable, PathExactThenLongestPrefixThenAny) {
  const std::vector<config::Route> routes = {
      route("any", {}), route("root", on_prefix("/")), route("ws", on_prefix("/ws")),
      route("deep", on_prefix("/ws/room/a")), route("exact", on_path("/ws/room"))};
  EXPECT_EQ(found(routes, request("h", "/ws/room")), "exact");
  EXPECT_EQ(found(routes, request("h", "/ws/room/")), "ws");
  EXPECT_EQ(found(routes, request("h", "/ws/room/a")), "deep");
  EXPECT_EQ(found(routes, request("h", "/ws/room/a/b")), "deep");
  EXPECT_EQ(found(routes, request("h", "/ws/room/ab")), "ws");
  EXPECT_EQ(found(routes, request("h", "/ws")), "ws");
  EXPECT_EQ(found(routes, request("h", "/wsx")), "root");
  EXPECT_EQ(found(routes, request("h", "/")), "root");
  EXPECT_EQ(found(routes, request("h", "*")), "root") << "OPTIONS *";
}

TEST(RouteTable, PrefixesOfOneLengthAndWithATrailingSlash) {
  const std::vector<config::Route> routes = {route("aa", on_prefix("/aa")), route("bb", on_prefix("/bb")),
                                             route("inside", on_prefix("/bb/"))};
  EXPECT_EQ(found(routes, request("h", "/aa/x")), "aa");
  EXPECT_EQ(found(routes, request("h", "/bb")), "bb");
  EXPECT_EQ(found(routes, request("h", "/bb/")), "inside");
  EXPECT_EQ(found(routes, request("h", "/bb/x")), "inside");
  EXPECT_EQ(found(routes, request("h", "/cc/x")), "none");
  EXPECT_EQ(found(routes, request("h", "/AA")), "none") << "paths have a case";
}

TEST(RouteTable, HostOutranksPathAndPathOutranksConditions) {
  config::RouteMatch narrow = on_prefix("/a");
  narrow.methods = {"GET"};
  narrow.websocket = false;
  narrow.listeners = {"web"};
  const std::vector<config::Route> routes = {route("narrow", narrow), route("longer", on_prefix("/a/b")),
                                             route("host", on_host({"h"}))};
  EXPECT_EQ(found(routes, request("other", "/a")), "narrow");
  EXPECT_EQ(found(routes, request("other", "/a/b")), "longer");
  EXPECT_EQ(found(routes, request("h", "/a/b")), "host");
}

TEST(RouteTable, MoreConditionsWinThenFileOrder) {
  config::RouteMatch method;
  method.methods = {"GET", "POST"};
  config::RouteMatch two = method;
  two.listeners = {"web"};
  const std::vector<config::Route> routes = {route("plain", {}), route("method", method), route("two", two),
                                             route("two again", two)};
  EXPECT_EQ(found(routes, request("h", "/")), "two");
  RouteInput input = request("h", "/");
  input.listener = "secure";
  EXPECT_EQ(found(routes, input), "method");
  input.method = "PUT";
  EXPECT_EQ(found(routes, input), "plain");
}

TEST(RouteTable, AListOfMethodsIsOneCondition) {
  config::RouteMatch many;
  many.methods = {"GET", "POST", "PUT"};
  config::RouteMatch one;
  one.websocket = false;
  EXPECT_EQ(found({route("one", one), route("many", many)}, request("h", "/")), "one");
}

config::RouteMatch on_regex(const std::string& pattern) {
  config::RouteMatch match;
  EXPECT_EQ(config::Regex::parse(pattern, match.path_regex.emplace()), std::nullopt);
  return match;
}

TEST(RouteTable, RegexesStandBetweenExactPathsAndPrefixes) {
  const std::vector<config::Route> routes = {route("prefix", on_prefix("/api/v1")), route("regex", on_regex("^/api/v[0-9]+")),
                                             route("exact", on_path("/api/v1/x")), route("any", {})};
  EXPECT_EQ(found(routes, request("h", "/api/v1/x")), "exact");
  EXPECT_EQ(found(routes, request("h", "/api/v1/y")), "regex");
  EXPECT_EQ(found(routes, request("h", "/api/vx")), "any");
}

TEST(RouteTable, RegexesAreTriedInFileOrderWhateverTheirConditions) {
  config::RouteMatch with_conditions = on_regex("^/a/b");
  with_conditions.methods = {"GET"};
  with_conditions.websocket = false;
  const std::vector<config::Route> routes = {route("wide", on_regex("^/a")), route("narrow", with_conditions)};
  EXPECT_EQ(found(routes, request("h", "/a/b")), "wide");
  const std::vector<config::Route> reversed = {routes[1], routes[0]};
  EXPECT_EQ(found(reversed, request("h", "/a/b")), "narrow");
  RouteInput post = request("h", "/a/b");
  post.method = "POST";
  EXPECT_EQ(found(reversed, post), "wide") << "falls through to the next one";
}

TEST(RouteTable, EachFieldIsACondition) {
  config::FieldMatch beta, version;
  beta.name = "X-Beta";
  version.name = "v";
  beta.present = version.present = true;
  config::RouteMatch one, two;
  one.headers = {beta};
  two.headers = {beta};
  two.query = {version};
  const std::vector<config::Route> routes = {route("plain", {}), route("one", one), route("two", two)};
  http::Headers headers;
  headers.add("x-beta", "1");
  RouteInput input = request("h", "/");
  EXPECT_EQ(found(routes, input), "plain");
  input.headers = &headers;
  EXPECT_EQ(found(routes, input), "one");
  input.query = "?v=1";
  EXPECT_EQ(found(routes, input), "two");
}

TEST(RouteTable, WebSocketCondition) {
  config::RouteMatch upgrades;
  upgrades.websocket = true;
  config::RouteMatch plain;
  plain.websocket = false;
  const std::vector<config::Route> routes = {route("upgrades", upgrades), route("plain", plain)};
  RouteInput input = request("h", "/");
  EXPECT_EQ(found(routes, input), "plain");
  input.websocket = true;
  EXPECT_EQ(found(routes, input), "upgrades");
}

TEST(RouteTable, FallsBackWhenAConditionFails) {
  config::RouteMatch exact = on_host({"a.example.com"});
  exact.path = "/x";
  exact.methods = {"POST"};
  config::RouteMatch prefix = on_host({"a.example.com"});
  prefix.path_prefix = "/x";
  prefix.websocket = true;
  const std::vector<config::Route> routes = {route("exact", exact), route("prefix", prefix),
                                             route("wild", on_host({"*.example.com"})), route("any", {})};
  RouteInput input = request("a.example.com", "/x");
  EXPECT_EQ(found(routes, input), "wild");
  input.websocket = true;
  EXPECT_EQ(found(routes, input), "prefix");
  input.method = "POST";
  EXPECT_EQ(found(routes, input), "exact");
  input.host = "example.com";
  EXPECT_EQ(found(routes, input), "any");
}

// The rules once more, written as plainly as can be: every route is tried, the best rank wins.
class ReferenceTable {
 public:
  static std::size_t match(const std::vector<config::Route>& routes, const RouteInput& input) {
    std::optional<Rank> best;
    std::size_t winner = RouteTable::kNone;
    for (std::size_t i = 0; i < routes.size(); ++i) {
      const std::optional<Rank> rank = rank_of(routes[i].match, input);
      if (rank && (!best || *rank > *best)) {
        best = rank;
        winner = i;
      }
    }
    return winner;
  }

 private:
  using Rank = std::tuple<std::size_t, std::size_t, int>;  // host, path, conditions
  static constexpr std::size_t kExact = 100000;

  static std::optional<Rank> rank_of(const config::RouteMatch& match, const RouteInput& input) {
    const std::optional<std::size_t> host = host_rank(match.hosts, std::string(input.host));
    const std::optional<std::size_t> path = path_rank(match, std::string(input.path));
    if (!host || !path) return std::nullopt;
    if (match.websocket && *match.websocket != input.websocket) return std::nullopt;
    if (!has(match.methods, input.method) || !has(match.listeners, input.listener)) return std::nullopt;
    const int conditions = !match.methods.empty() + !match.listeners.empty() + match.websocket.has_value();
    return Rank{*host, *path, conditions};
  }
  static bool has(const std::vector<std::string>& list, std::string_view name) {
    return list.empty() || std::find(list.begin(), list.end(), name) != list.end();
  }
  static std::optional<std::size_t> host_rank(const std::vector<std::string>& hosts,
                                              const std::string& host) {
    if (hosts.empty()) return 0;
    std::optional<std::size_t> best;
    for (const std::string& pattern : hosts) {
      if (pattern == host) return kExact;
      if (pattern[0] != '*') continue;
      const std::string ending = pattern.substr(1);
      if (host.size() > ending.size() && host.ends_with(ending))
        best = std::max(best.value_or(0), ending.size());
    }
    return best;
  }
  static std::optional<std::size_t> path_rank(const config::RouteMatch& match, const std::string& path) {
    if (match.path) return *match.path == path ? std::optional(kExact) : std::nullopt;
    if (!match.path_prefix) return 0;
    const std::string& prefix = *match.path_prefix;
    const bool covers = prefix == "/" || path == prefix || path.starts_with(prefix + "/");
    return covers ? std::optional(prefix.size()) : std::nullopt;
  }
};

class RandomRouting {
 public:
  explicit RandomRouting(unsigned seed) : random_(seed) {}

  std::vector<config::Route> routes() {
    std::vector<config::Route> routes(1 + pick(40));
    for (config::Route& route : routes) {
      config::RouteMatch& match = route.match;
      for (std::size_t hosts = pick(3); hosts > 0; --hosts)
        match.hosts.push_back(pick(2) ? host() : "*." + host());
      if (const std::size_t kind = pick(3); kind == 1) {
        match.path = path();
      } else if (kind == 2) {
        match.path_prefix = path();
      }
      if (pick(3) == 0) match.methods = {method()};
      if (pick(3) == 0) match.websocket = pick(2) == 0;
      if (pick(3) == 0) match.listeners = {listener()};
    }
    return routes;
  }
  std::string host() {
    static const char* const kLabels[] = {"a", "b", "cc"};
    std::string host = kLabels[pick(3)];
    for (std::size_t labels = pick(3); labels > 0; --labels) host += std::string(".") + kLabels[pick(3)];
    return host;
  }
  std::string path() {
    static const char* const kSegments[] = {"/x", "/y", "/xy"};
    std::string path;
    for (std::size_t segments = pick(4); segments > 0; --segments) path += kSegments[pick(3)];
    return path.empty() ? "/" : path;
  }
  std::string method() { return pick(2) ? "GET" : "POST"; }
  std::string listener() { return pick(2) ? "web" : "secure"; }
  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }

 private:
  std::mt19937 random_;
};

TEST(RouteTableProperty, AgreesWithTryingEveryRoute) {
  RandomRouting random(11);
  std::size_t matched = 0;
  for (int round = 0; round < 500; ++round) {
    const std::vector<config::Route> routes = random.routes();
    const RouteTable table(routes);
    for (int i = 0; i < 40; ++i) {
      const std::string listener = random.listener(), host = random.host(), path = random.path(),
                        method = random.method();
      RouteInput input = request(host, path);
      input.listener = listener;
      input.method = method;
      input.websocket = random.pick(2) == 0;
      const std::size_t expected = ReferenceTable::match(routes, input);
      ASSERT_EQ(table.match(input), expected)
          << "round " << round << ": " << method << ' ' << host << path << " on " << listener;
      matched += expected != RouteTable::kNone;
    }
  }
  EXPECT_GT(matched, 5000u) << "the rounds must not be vacuous";
}

}  // namespace
}  // namespace sluice::routing
