#include "gateway/routing/conditions.h"

#include <algorithm>

#include "gateway/routing/field_match.h"
#include "gateway/routing/listener_match.h"
#include "gateway/routing/method_match.h"
#include "gateway/routing/subprotocol_match.h"
#include "gateway/routing/websocket_match.h"

namespace sluice::routing {
namespace {

using config::RouteMatch;

// How many of a kind a route has, whether a request meets them, and why one does not that does not.
struct Condition {
  std::size_t (*count)(const RouteMatch&);
  bool (*matches)(const RouteMatch&, const RouteInput&);
  std::string (*reason)(const RouteMatch&, const RouteInput&);
};

std::string not_in(const char* what, std::string_view value, const std::vector<std::string>& list) {
  return std::string(what) + " " + std::string(value) + " is not in " + list_text(list);
}

std::string field_reason(const char* what, const config::FieldMatch& field) {
  if (field.equals) return std::string("no ") + what + " " + field.name + " is \"" + *field.equals + "\"";
  if (field.regex) return std::string("no ") + what + " " + field.name + " matches " + field.regex->pattern();
  return std::string("there is no ") + what + " " + field.name;
}

// The cheap ones first.
constexpr Condition kConditions[] = {
    {[](const RouteMatch& match) -> std::size_t { return match.methods.empty() ? 0 : 1; },
     [](const RouteMatch& match, const RouteInput& in) { return method_matches(match.methods, in.method); },
     [](const RouteMatch& match, const RouteInput& in) {
       return not_in("method", in.method, match.methods);
     }},
    {[](const RouteMatch& match) -> std::size_t { return match.websocket ? 1 : 0; },
     [](const RouteMatch& match, const RouteInput& in) {
       return websocket_matches(match.websocket, in.websocket);
     },
     [](const RouteMatch&, const RouteInput& in) -> std::string {
       return in.websocket ? "is not for WebSocket upgrades" : "is for WebSocket upgrades only";
     }},
    {[](const RouteMatch& match) -> std::size_t { return match.listeners.empty() ? 0 : 1; },
     [](const RouteMatch& match, const RouteInput& in) {
       return listener_matches(match.listeners, in.listener);
     },
     [](const RouteMatch& match, const RouteInput& in) {
       return not_in("listener", in.listener, match.listeners);
     }},
    {[](const RouteMatch& match) -> std::size_t { return match.subprotocols.empty() ? 0 : 1; },
     [](const RouteMatch& match, const RouteInput& in) {
       return subprotocols_match(match.subprotocols, in.websocket, in.headers);
     },
     [](const RouteMatch& match, const RouteInput&) {
       return "no WebSocket with one of the subprotocols " + list_text(match.subprotocols) + " is asked for";
     }},
    {[](const RouteMatch& match) { return match.headers.size(); },
     [](const RouteMatch& match, const RouteInput& in) {
       return unmet_header(match.headers, in.headers, in.peer_trusted) == nullptr;
     },
     [](const RouteMatch& match, const RouteInput& in) {
       return field_reason("header", *unmet_header(match.headers, in.headers, in.peer_trusted));
     }},
    {[](const RouteMatch& match) { return match.query.size(); },
     [](const RouteMatch& match, const RouteInput& in) {
       return unmet_parameter(match.query, in.query) == nullptr;
     },
     [](const RouteMatch& match, const RouteInput& in) {
       return field_reason("query parameter", *unmet_parameter(match.query, in.query));
     }},
    {[](const RouteMatch&) -> std::size_t { return 0; },
     [](const RouteMatch& match, const RouteInput& in) {
       return !match.path_regex || match.path_regex->found_in(in.path);
     },
     [](const RouteMatch& match, const RouteInput& in) {
       return "path " + std::string(in.path) + " does not match " + match.path_regex->pattern();
     }},
};

}  // namespace

std::size_t count_conditions(const RouteMatch& match) {
  std::size_t count = 0;
  for (const Condition& condition : kConditions) count += condition.count(match);
  return count;
}

bool meets_conditions(const RouteMatch& match, const RouteInput& input) {
  return std::all_of(std::begin(kConditions), std::end(kConditions),
                     [&](const Condition& condition) { return condition.matches(match, input); });
}

std::string unmet_condition(const RouteMatch& match, const RouteInput& input) {
  for (const Condition& condition : kConditions) {
    if (!condition.matches(match, input)) return condition.reason(match, input);
  }
  return {};
}

std::string list_text(const std::vector<std::string>& words) {
  std::string text = "[";
  for (const std::string& word : words) text.append(text.size() > 1 ? ", " : "").append(word);
  return text + "]";
}

}  // namespace sluice::routing
