#include "gateway/routing/verdicts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace sluice::routing {
namespace {

using ::testing::ElementsAre;

// From what stands in the file between the braces of a route.
std::vector<config::Route> routes_of(const std::vector<std::string>& texts) {
  std::string file =
      "listeners: [{ name: web, address: 127.0.0.1:1 }, { name: other, address: 127.0.0.1:2 }]\nroutes:\n";
  for (const std::string& text : texts) file += "  - { respond: {}, " + text + " }\n";
  std::vector<std::string> warnings;
  return config::load_text(file, "test", warnings).routes;
}

RouteInput request(std::string_view host, std::string_view path) {
  RouteInput input;
  input.listener = "web";
  input.host = host;
  input.path = path;
  input.method = "GET";
  return input;
}

// A line per route.
std::vector<std::string> told(const std::vector<std::string>& texts, const RouteInput& input) {
  const std::vector<config::Route> routes = routes_of(texts);
  std::vector<std::string> lines;
  for (const Verdict& verdict : verdicts(RouteTable(routes), input)) {
    lines.push_back(verdict.kind == Verdict::Kind::chosen ? "chosen" : verdict.reason);
  }
  return lines;
}

TEST(Verdicts, HostsAndPathsThatDoNotCoverTheRequest) {
  const std::vector<std::string> routes = {"name: hosts, match: { hosts: [a.example, '*.b.example'] }",
                                           "name: exact, match: { path: /y }",
                                           "name: prefix, match: { path_prefix: /ws }",
                                           "name: regex, match: { path_regex: '^/v[0-9]' }", "name: all"};
  EXPECT_THAT(told(routes, request("c.example", "/wsx")),
              ElementsAre("host c.example is not in [a.example, *.b.example]", "path /wsx is not /y",
                          "path /wsx begins with /ws in the middle of a segment",
                          "path /wsx does not match ^/v[0-9]", "chosen"));
  EXPECT_THAT(
      told(routes, request("", "/x")),
      ElementsAre("the request has no host; expected one of [a.example, *.b.example]", "path /x is not /y",
                  "path /x does not begin with /ws", "path /x does not match ^/v[0-9]", "chosen"));
}

TEST(Verdicts, EveryOtherConditionThatIsNotMet) {
  const std::vector<std::string> routes = {
      "name: methods, match: { methods: [POST, PUT] }",
      "name: upgrades, match: { websocket: true }",
      "name: listeners, match: { listeners: [other] }",
      "name: subprotocols, match: { subprotocols: [chat.v2, mqtt] }",
      "name: equals, match: { headers: [{ name: X-Beta, equals: '1' }] }",
      "name: matches, match: { headers: [{ name: X-Beta, regex: ^a }] }",
      "name: present, match: { headers: [{ name: X-Beta, present: true }] }",
      "name: query, match: { query: [{ name: v, present: true }] }"};
  EXPECT_THAT(told(routes, request("h", "/")),
              ElementsAre("method GET is not in [POST, PUT]", "is for WebSocket upgrades only",
                          "listener web is not in [other]",
                          "no WebSocket with one of the subprotocols [chat.v2, mqtt] is asked for",
                          "no header X-Beta is \"1\"", "no header X-Beta matches ^a",
                          "there is no header X-Beta", "there is no query parameter v"));
  RouteInput upgrade = request("h", "/");
  upgrade.websocket = true;
  EXPECT_THAT(told({"name: plain, match: { websocket: false }"}, upgrade),
              ElementsAre("is not for WebSocket upgrades"));
}

TEST(Verdicts, TheRuleThatMakesARouteLessSpecific) {
  EXPECT_THAT(told({"name: any", "name: wild, match: { hosts: ['*.example'] }",
                    "name: exact, match: { hosts: [other, a.example] }"},
                   request("A.example.", "/")),
              ElementsAre("less specific than exact: any host, there host a.example",
                          "less specific than exact: host *.example, there host a.example", "chosen"));
  EXPECT_THAT(told({"name: any", "name: root, match: { path_prefix: / }",
                    "name: regex, match: { path_regex: ^/a }", "name: exact, match: { path: /a }"},
                   request("h", "/a")),
              ElementsAre("less specific than exact: any path, there path /a",
                          "less specific than exact: path_prefix /, there path /a",
                          "less specific than exact: path_regex ^/a, there path /a", "chosen"));
}

TEST(Verdicts, ConditionsThenFileOrder) {
  EXPECT_THAT(told({"name: plain", "name: one, match: { methods: [GET] }",
                    "name: two, match: { methods: [GET], websocket: false }",
                    "name: again, match: { methods: [GET], websocket: false }"},
                   request("h", "/")),
              ElementsAre("less specific than two: 0 other conditions, there 2 other conditions",
                          "less specific than two: 1 other condition, there 2 other conditions", "chosen",
                          "less specific than two: it comes later in the file"));
  EXPECT_THAT(told({"name: wide, match: { path_regex: ^/a }",
                    "name: narrow, match: { path_regex: ^/a/b, methods: [GET] }"},
                   request("h", "/a/b")),
              ElementsAre("chosen", "less specific than wide: its path_regex comes later in the file"));
}

TEST(Verdicts, OfARouteWithSeveralHostsTheMostSpecificCounts) {
  EXPECT_THAT(told({"name: both, match: { hosts: ['*.example', a.example], path: /x }",
                    "name: exact, match: { hosts: [a.example] }"},
                   request("a.example", "/x")),
              ElementsAre("chosen", "less specific than both: any path, there path /x"));
}

}  // namespace
}  // namespace sluice::routing
