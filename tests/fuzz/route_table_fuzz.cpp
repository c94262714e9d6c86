// The route table against the plain reading of its rules: look at every route, keep those that match, take
// the most specific. Routes and requests come from a small alphabet, so that they meet.
#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "config/regex.h"
#include "config/syntax.h"
#include "gateway/http/characters.h"
#include "gateway/http/uri.h"
#include "gateway/routing/route_table.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using config::FieldMatch;
using config::Route;

// `LETTER VALUE`: what a line adds to the route above it, or to the request. Nothing that the loader would
// refuse.
void add_condition(Route& route, char what, const std::string& value) {
  config::RouteMatch& match = route.match;
  std::string parsed;
  switch (what) {
    case 'h':
      if (!config::parse_match_host(value, parsed)) match.hosts.push_back(parsed);
      return;
    case 'p':
      if (!config::parse_match_path(value, parsed) && !match.path_prefix && !match.path_regex)
        match.path = parsed;
      return;
    case 'x':
      if (!config::parse_match_path(value, parsed) && !match.path && !match.path_regex)
        match.path_prefix = parsed;
      return;
    case 'r': {
      config::Regex regex;
      if (!match.path && !match.path_prefix && !config::Regex::parse(value, regex)) match.path_regex = regex;
      return;
    }
    case 'm':
      match.methods.push_back(value);
      return;
    case 'w':
      match.websocket = value == "1";
      return;
    case 's':
      match.subprotocols.push_back(value);
      return;
    case 'l':
      match.listeners.push_back(value);
      return;
    case 'f':
      match.headers.push_back({.name = value, .present = true});
      return;
    case 'F':
      match.headers.push_back({.name = "X-A", .equals = value});
      return;
    case 'q':
      match.query.push_back({.name = value, .present = true});
      return;
    case 'Q':
      match.query.push_back({.name = "a", .equals = value});
      return;
    default:
      return;
  }
}

struct Request {
  std::string host = "a.b", path = "/", method = "GET", query, listener = "http";
  bool websocket = false;
  http::Headers headers;

  routing::RouteInput input() const {
    return {.listener = listener,
            .host = host,
            .path = path,
            .method = method,
            .query = query,
            .websocket = websocket,
            .headers = &headers};
  }
};

void add_part(Request& request, char what, const std::string& value) {
  switch (what) {
    case 'h':
      if (http::parse_authority(value)) request.host = http::parse_authority(value)->host;
      return;
    case 'p': {
      std::string storage;
      const http::NormalizedPath normal = http::normalize_path(value, storage);
      if (normal.error == http::PathError::none) request.path = normal.path;
      return;
    }
    case 'm':
      request.method = value;
      return;
    case 'q':
      request.query = "?" + value;
      return;
    case 'l':
      request.listener = value;
      return;
    case 'w':
      request.websocket = value == "1";
      return;
    case 's':
      request.headers.add("Sec-WebSocket-Protocol", value);
      return;
    case 'f':
      if (!value.empty() && http::all_of(http::kToken, value)) request.headers.add(value, "v");
      return;
    case 'F':
      request.headers.add("x-a", value);
      return;
    default:
      return;
  }
}

std::string lower(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  std::transform(text.begin(), text.end(), text.begin(), http::to_lower);
  return text;
}

// How specific the host is: exact, the length of a wildcard's suffix, any; nothing: no match.
std::optional<std::size_t> host_rank(const Route& route, const std::string& host) {
  if (route.match.hosts.empty()) return 0;
  std::optional<std::size_t> best;
  for (const std::string& pattern : route.match.hosts) {
    if (lower(pattern) == host) return 100000;
    const bool covers = pattern.starts_with("*.") && host.size() > pattern.size() - 1 &&
                        host.ends_with(lower(pattern.substr(1)));
    if (covers) best = std::max(best.value_or(0), pattern.size());
  }
  return best;
}

std::optional<std::size_t> path_rank(const Route& route, const std::string& path) {
  const config::RouteMatch& match = route.match;
  if (match.path) return *match.path == path ? std::optional<std::size_t>(100001) : std::nullopt;
  if (match.path_regex)
    return match.path_regex->found_in(path) ? std::optional<std::size_t>(100000) : std::nullopt;
  if (!match.path_prefix) return 0;
  const std::string& prefix = *match.path_prefix;
  const bool covers = prefix == "/" || path == prefix ||
                      (path.starts_with(prefix) && (prefix.ends_with('/') || path[prefix.size()] == '/'));
  return covers ? std::optional<std::size_t>(prefix.size()) : std::nullopt;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return words.empty() || std::find(words.begin(), words.end(), word) != words.end();
}

// `%41+` to `A `; a broken escape stays as it is.
std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && text.size() - i > 2 && http::all_of(http::kHexDigit, text.substr(i + 1, 2))) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parameters_of(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  if (!query.empty()) query.remove_prefix(1);
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
    const std::size_t mark = std::min(one.find('='), one.size());
    parameters.emplace_back(decoded(one.substr(0, mark)),
                            decoded(one.substr(std::min(mark + 1, one.size()))));
  }
  return parameters;
}

bool meets_rest(const Route& route, const Request& request) {
  const config::RouteMatch& match = route.match;
  if (!has(match.methods, request.method) || !has(match.listeners, request.listener)) return false;
  if (match.websocket && *match.websocket != request.websocket) return false;
  if (!match.subprotocols.empty()) {
    bool offered = false;
    for (const http::Field& field : request.headers) {
      if (field.name != "Sec-WebSocket-Protocol") continue;
      http::for_each_list_member(
          field.value, [&](std::string_view name) { offered = offered || has(match.subprotocols, name); });
    }
    if (!offered || !request.websocket) return false;
  }
  const auto field_is_there = [&](const FieldMatch& wanted) {
    return std::any_of(request.headers.begin(), request.headers.end(), [&](const http::Field& field) {
      return lower(std::string(field.name) + ".") == lower(wanted.name + ".") &&
             (!wanted.equals || *wanted.equals == field.value);
    });
  };
  const auto parameters = parameters_of(request.query);
  const auto parameter_is_there = [&](const FieldMatch& wanted) {
    return std::any_of(parameters.begin(), parameters.end(), [&](const auto& parameter) {
      return parameter.first == wanted.name && (!wanted.equals || *wanted.equals == parameter.second);
    });
  };
  return std::all_of(match.headers.begin(), match.headers.end(), field_is_there) &&
         std::all_of(match.query.begin(), match.query.end(), parameter_is_there);
}

std::size_t conditions_of(const Route& route) {
  const config::RouteMatch& match = route.match;
  return !match.methods.empty() + match.websocket.has_value() + !match.listeners.empty() +
         !match.subprotocols.empty() + match.headers.size() + match.query.size();
}

std::size_t most_specific(const std::vector<Route>& routes, const Request& request) {
  std::size_t best = routing::RouteTable::kNone;
  std::tuple<std::size_t, std::size_t, std::size_t> best_rank;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const auto host = host_rank(routes[i], lower(request.host));
    const auto path = path_rank(routes[i], request.path);
    if (!host || !path || !meets_rest(routes[i], request)) continue;
    // Regular expressions are tried in the order of the file, whatever else is asked.
    const std::size_t conditions = routes[i].match.path_regex ? 0 : conditions_of(routes[i]);
    const std::tuple rank(*host, *path, conditions);
    if (best != routing::RouteTable::kNone && rank <= best_rank) continue;
    best = i;
    best_rank = rank;
  }
  return best;
}

}  // namespace

// `-` begins a route, `?` a request, whose answer is checked when the next one begins.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<Route> routes;
  std::vector<Request> requests;
  fuzz::for_each_line(fuzz::as_text(data, size), [&](std::string_view line) {
    if (line == "-" && routes.size() < 20) routes.emplace_back();
    if (line == "?" && requests.size() < 20) requests.emplace_back();
    if (line.size() < 2) return;
    const std::string value(line.substr(1));
    if (!requests.empty()) {
      add_part(requests.back(), line[0], value);
    } else if (!routes.empty()) {
      add_condition(routes.back(), line[0], value);
    }
  });
  const routing::RouteTable table(routes);
  for (const Request& request : requests)
    FUZZ_CHECK(table.match(request.input()) == most_specific(routes, request));
  return 0;
}
