// `routes`: which requests match, and what happens to them.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/regex.h"
#include "config/values.h"
#include "config/websocket_config.h"

namespace sluice::config {

// A text with ${variables}, split at load so that a request only concatenates.
enum class Variable {
  client_ip, host, path, query, request_id, method, scheme, tls_sni, tls_client_subject, route
};
struct TemplatePart {
  std::string text;                  // literal, when there is no variable
  std::optional<Variable> variable;
  bool operator==(const TemplatePart&) const = default;
};
using Template = std::vector<TemplatePart>;

struct HeaderTemplate {
  std::string name;
  Template value;
  bool operator==(const HeaderTemplate&) const = default;
};

// Applied in this order: remove, set, add.
struct HeaderOperations {
  std::vector<HeaderTemplate> set;
  std::vector<HeaderTemplate> add;
  std::vector<std::string> remove;
  bool operator==(const HeaderOperations&) const = default;
};

// A header field or a query parameter. Exactly one of the three says what is asked of its value.
struct FieldMatch {
  std::string name;
  std::optional<std::string> equals;
  std::optional<Regex> regex;
  bool present = false;
  bool operator==(const FieldMatch&) const = default;
};

struct RouteMatch {
  std::vector<std::string> hosts;  // lower case; "*.example.com" covers one or more labels
  std::optional<std::string> path;
  std::optional<std::string> path_prefix;  // whole segments
  std::optional<Regex> path_regex;         // somewhere in the normalised path
  std::vector<std::string> methods;
  std::vector<FieldMatch> headers;
  std::vector<FieldMatch> query;
  std::optional<bool> websocket;
  std::vector<std::string> subprotocols;  // the client offers one of these
  std::vector<std::string> listeners;
  bool operator==(const RouteMatch&) const = default;
};

struct PrefixReplacement {
  std::string from;  // whole segments
  std::string to;
  bool operator==(const PrefixReplacement&) const = default;
};

struct PathReplacement {
  Regex match;
  std::string to;  // instead of the first match; \1 is the first group
  bool operator==(const PathReplacement&) const = default;
};

// What changes on the way to the upstream. At most one of the three that concern the path is set.
struct Rewrite {
  std::optional<std::string> strip_prefix;  // whole segments
  std::optional<PrefixReplacement> replace_prefix;
  std::optional<PathReplacement> path_regex;
  std::optional<std::string> host;  // the Host field's value
  bool operator==(const Rewrite&) const = default;
};

struct Redirect {
  Template to;
  unsigned status = 308;
  bool operator==(const Redirect&) const = default;
};

struct Respond {
  unsigned status = 200;
  std::string body;
  std::vector<HeaderTemplate> headers;
  bool operator==(const Respond&) const = default;
};

struct RouteTimeouts {  // absent outer optional: the global value holds
  std::optional<OptionalDuration> response_head;
  std::optional<OptionalDuration> response_body_idle;
  bool operator==(const RouteTimeouts&) const = default;
};

// What the gateway's own errors of a status say.
struct ErrorPage {
  std::string file;
  std::string body;
  std::string content_type;
  bool operator==(const ErrorPage&) const = default;
};
using ErrorPages = std::map<unsigned, ErrorPage>;

// One of the upstreams that share a route's requests.
struct SplitSide {
  std::string upstream;
  unsigned weight = 1;  // its share; 0: nothing new goes there
  bool operator==(const SplitSide&) const = default;
};

struct Split {
  std::vector<SplitSide> to;  // weights add up to more than 0, names are different
  bool sticky = false;        // a client stays with its side, by a cookie
  bool operator==(const Split&) const = default;
};

// The upstream that gets copies of requests.
struct Mirror {
  std::string upstream;
  unsigned share = 100;  // of the requests, in percent
  bool operator==(const Mirror&) const = default;
};

struct Route {
  std::string name;
  RouteMatch match;
  // Exactly one of these four is set.
  std::optional<std::string> upstream;
  std::optional<Split> split;
  std::optional<Redirect> redirect;
  std::optional<Respond> respond;
  std::optional<Rewrite> rewrite;
  std::optional<Mirror> mirror;
  HeaderOperations request_headers;
  HeaderOperations response_headers;
  RouteTimeouts timeouts;
  std::optional<OptionalSize> max_request_body;
  ErrorPages error_pages;
  bool maintenance = false;  // everything is answered 503
  WebSocketRules websocket;

  bool leads_to(std::string_view wanted) const {
    const auto same = [wanted](const SplitSide& side) { return side.upstream == wanted; };
    return upstream == wanted || (split && std::any_of(split->to.begin(), split->to.end(), same));
  }
  bool operator==(const Route&) const = default;
};

}  // namespace sluice::config
