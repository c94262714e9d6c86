// `routes`: which requests match, and what happens to them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/values.h"

namespace sluice::config {

// A text with ${variables}, split at load so that a request only concatenates.
enum class Variable {
  client_ip, host, path, query, request_id, method, scheme, tls_sni, tls_client_subject, route
};
struct TemplatePart {
  std::string text;                  // literal, when there is no variable
  std::optional<Variable> variable;
};
using Template = std::vector<TemplatePart>;

struct HeaderTemplate {
  std::string name;
  Template value;
};

// Applied in this order: remove, set, add.
struct HeaderOperations {
  std::vector<HeaderTemplate> set;
  std::vector<HeaderTemplate> add;
  std::vector<std::string> remove;
};

struct RouteMatch {
  std::vector<std::string> hosts;  // lower case; "*.example.com" covers one or more labels
  std::optional<std::string> path;
  std::optional<std::string> path_prefix;  // whole segments
  std::vector<std::string> methods;
  std::optional<bool> websocket;
  std::vector<std::string> listeners;
};

struct Redirect {
  Template to;
  unsigned status = 308;
};

struct Respond {
  unsigned status = 200;
  std::string body;
  std::vector<HeaderTemplate> headers;
};

struct RouteTimeouts {  // absent outer optional: the global value holds
  std::optional<OptionalDuration> response_head;
  std::optional<OptionalDuration> response_body_idle;
};

struct WebSocketRules {
  bool enabled = true;
  OptionalDuration idle_timeout = std::chrono::hours(1);  // no data frames either way
  OptionalCount max_tunnels;
};

struct Route {
  std::string name;
  RouteMatch match;
  // Exactly one of these three is set.
  std::optional<std::string> upstream;
  std::optional<Redirect> redirect;
  std::optional<Respond> respond;
  HeaderOperations request_headers;
  HeaderOperations response_headers;
  RouteTimeouts timeouts;
  std::optional<OptionalSize> max_request_body;
  WebSocketRules websocket;
};

}  // namespace sluice::config
