#include "gateway/commands/explanation.h"

#include <algorithm>
#include <cstdio>

#include "config/address.h"
#include "config/value_text.h"
#include "gateway/commands/trial_exchange.h"
#include "gateway/commands/trial_http2.h"
#include "gateway/commands/websocket_limits.h"
#include "gateway/http/cookies.h"
#include "gateway/http1/request_parser.h"
#include "gateway/proxy/decide.h"
#include "gateway/proxy/forward_headers.h"
#include "gateway/proxy/header_rules.h"
#include "gateway/proxy/https_redirect.h"
#include "gateway/proxy/local_answer.h"
#include "gateway/proxy/termination.h"

namespace sluice::commands {
namespace {

using proxy::RouteContext;

std::string duration_or_off(const config::OptionalDuration& value) {
  return value ? config::duration_text(*value) : "off";
}
std::string size_or_off(const config::OptionalSize& value) {
  return value ? config::size_text(*value) : "off";
}

std::string balance_text(const config::Upstream& upstream) {
  switch (upstream.balance) {
    case config::Balance::round_robin:
      return "round_robin";
    case config::Balance::least_connections:
      return "least_connections";
    case config::Balance::random_two_choices:
      return "random_two_choices";
    case config::Balance::hash:
      return "hash on " + upstream.hash_on.text();
  }
  return "";
}

proxy::ConnectionInfo connection_of(const TrialRequest& request, const config::Listener& listener,
                                    const std::string& client) {
  proxy::ConnectionInfo info;
  info.listener = std::make_shared<const config::Listener>(listener);
  if (listener.address.is_unix()) {
    info.peer_address = http::kUnixPeer;
    info.peer_trusted = listener.trusts_unix;
  } else {
    std::uint8_t bytes[16];
    bool v6 = false;
    if (!config::parse_ip(client, bytes, v6)) {
      throw InputError("--client \"" + client + "\" is not an IP address; expected one such as 192.0.2.7");
    }
    info.peer_address = config::ip_text(bytes, v6);
    info.peer_trusted = config::trusts(listener, bytes, v6);
  }
  if (listener.tls && !request.host_is_ip) info.sni = request.host;
  return info;
}

// A head of HTTP/2 has bounds of its own, which read_as_http2() knows.
http::ParseError parse(const config::Limits& limits, const TrialRequest& request, bool http2, http::RequestHead& head) {
  const std::string& bytes = request.head;
  if (!http2) {
    const http1::HeadLimits bounds{limits.max_request_line, limits.max_request_head, limits.max_headers};
    return http1::RequestParser(bounds).parse(bytes, head).error;
  }
  http::RequestHead written;
  const http1::HeadLimits all{bytes.size(), bytes.size(), bytes.size()};
  const http::ParseError error = http1::RequestParser(all).parse(bytes, written).error;
  return error == http::ParseError::none ? read_as_http2(written, request.secure, limits, head) : error;
}

LocalAnswer answer_of(const TrialExchange& exchange, std::string_view sentence) {
  LocalAnswer answer{exchange.status,
                     std::string(http::default_reason(exchange.status)),
                     std::string(sentence),
                     {},
                     exchange.body.size()};
  std::copy_if(exchange.fields.begin(), exchange.fields.end(), std::back_inserter(answer.fields),
               [](const auto& field) { return field.first != "Date"; });
  return answer;
}

std::vector<std::string> rules_of(const config::HeaderOperations& operations,
                                  const proxy::TemplateValues& values) {
  std::vector<std::string> rules;
  for (const std::string& name : operations.remove) rules.push_back("remove " + name);
  for (const config::HeaderTemplate& field : operations.set) {
    rules.push_back("set " + field.name + ": " + proxy::expand(field.value, values));
  }
  for (const config::HeaderTemplate& field : operations.add) {
    rules.push_back("add " + field.name + ": " + proxy::expand(field.value, values));
  }
  return rules;
}

// Each under the key that decides it: the route's own, or the one for all.
Pairs in_force(const config::Config& config, const RouteContext& route) {
  const auto key = [](bool own, const char* general, const char* name) {
    return std::string(own ? "routes." : general) + name;
  };
  const config::Route& own = *route.route;
  Pairs pairs;
  pairs.emplace_back(key(own.max_request_body.has_value(), "limits.", "max_request_body"),
                     size_or_off(route.max_body));
  pairs.emplace_back("timeouts.connect", duration_or_off(config.timeouts.connect));
  pairs.emplace_back(key(own.timeouts.response_head.has_value(), "", "timeouts.response_head"),
                     duration_or_off(route.response_head_timeout));
  if (route.websocket) {
    const Pairs limits = websocket_limits(own.websocket).in_force;
    pairs.insert(pairs.end(), limits.begin(), limits.end());
  } else {
    pairs.emplace_back("timeouts.request_body_idle", duration_or_off(config.timeouts.request_body_idle));
    pairs.emplace_back(key(own.timeouts.response_body_idle.has_value(), "", "timeouts.response_body_idle"),
                       duration_or_off(route.response_body_idle));
  }
  pairs.emplace_back("timeouts.client_write_idle", duration_or_off(config.timeouts.client_write_idle));
  return pairs;
}

std::string weight_text(unsigned weight) { return weight == 1 ? "" : " (weight " + std::to_string(weight) + ")"; }

const config::Upstream& upstream_of(const config::Config& config, const std::string& name) {
  return *std::find_if(config.upstreams.begin(), config.upstreams.end(),
                       [&](const config::Upstream& one) { return one.name == name; });
}

Destination destination(const config::Config& config, const std::string& name, bool websocket) {
  const config::Upstream& upstream = upstream_of(config, name);
  Destination destination;
  destination.upstream = upstream.name;
  for (const config::Endpoint& endpoint : upstream.endpoints) {
    destination.endpoints.push_back(endpoint.url + weight_text(endpoint.weight));
  }
  for (const config::Discovery& asked : upstream.discoveries) {
    destination.endpoints.push_back("what " + asked.text() + " leads to" + weight_text(asked.weight));
  }
  destination.balance = balance_text(upstream);
  destination.attempts = upstream.retries.attempts;
  destination.protocols = backend_protocols(upstream, websocket);
  return destination;
}

// In per cent, with as many decimals as it takes to be more than nothing.
std::string share_text(unsigned weight, std::uint64_t total) {
  const double share = 100.0 * weight / static_cast<double>(total);
  char text[32];
  std::snprintf(text, sizeof text, "%.4g%%", share);
  return text;
}

std::vector<Destination> destinations(const config::Config& config, const config::Route& route, bool websocket) {
  if (route.upstream) return {destination(config, *route.upstream, websocket)};
  std::vector<Destination> sides;
  std::uint64_t total = 0;
  for (const config::SplitSide& side : route.split->to) total += side.weight;
  for (const config::SplitSide& side : route.split->to) {
    sides.push_back(destination(config, side.upstream, websocket));
    sides.back().share = share_text(side.weight, total);
  }
  return sides;
}

// As forward_upgrade() does. A key of the gateway's own is by chance: the client's stands for it here.
void prepare_handshake(http::Headers& request, const config::WebSocketRules& rules) {
  const std::string key(*request.find("Sec-WebSocket-Key"));
  if (proxy::prepare_handshake(request, rules)) request.set("Sec-WebSocket-Key", key);
}

Forwarded forward(const config::Config& config, TrialExchange& exchange, const RouteContext& route) {
  Forwarded forwarded;
  forwarded.to = destinations(config, *route.route, route.websocket);
  forwarded.sticky = route.route->split && route.route->split->sticky;
  if (route.route->mirror && !route.websocket) {
    forwarded.mirror = destination(config, route.route->mirror->upstream, false);
    forwarded.mirror->share = std::to_string(route.route->mirror->share) + "%";
    forwarded.mirror->attempts = 1;
  }
  for (const config::Upstream& upstream : config.upstreams) {
    if (upstream.sticky && route.route->leads_to(upstream.name)) {
      http::remove_cookie(exchange.request.headers, upstream.sticky->cookie);
    }
  }
  const bool accepts_trailers = exchange.request.headers.has_token("TE", "trailers");
  prepare_request_headers(exchange, route);
  if (route.websocket) prepare_handshake(exchange.request.headers, route.route->websocket);
  const std::string target = upstream_target(exchange, route);
  for (const Destination& to : forwarded.to) {
    if (to.protocols.http1 && !forwarded.http1) forwarded.http1 = http1_head(exchange.request, target);
    if (!to.protocols.http2 || forwarded.http2) continue;
    const bool secure = upstream_of(config, to.upstream).uses_https();
    forwarded.http2 = http2_head(exchange.request, target, {secure, route.websocket, accepts_trailers});
  }
  return forwarded;
}

std::uint16_t https_port_of(const config::Config& config) {
  std::vector<std::uint16_t> ports;
  for (const config::Listener& listener : config.listeners) ports.push_back(listener.address.port);
  return proxy::https_port(config, ports);
}

void answer(const config::Config& config, TrialExchange& exchange, const proxy::Decision& decision,
            const RouteContext& route, Explanation& explanation) {
  const std::uint16_t port = https_port_of(config);
  answer_locally(exchange, decision, route, port);
  explanation.answer = answer_of(exchange, decision.reply.sentence);
  if (decision.action == proxy::Action::acme_challenge) {
    explanation.notes.push_back("acme_challenge_directory of the listener answers this path, before all routes");
  }
  if (decision.action == proxy::Action::redirect_to_https && port == 0) {
    explanation.notes.push_back(
        "the listener with TLS takes any free port; it stands in Location when the gateway runs");
  }
}

void explain_routes(const proxy::Snapshot& snapshot, const routing::RouteInput& input,
                    Explanation& explanation) {
  const std::vector<routing::Verdict> verdicts = routing::verdicts(snapshot.routes, input);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    explanation.routes.push_back({snapshot.config.routes[i].name, verdicts[i]});
  }
}

void explain_decision(const proxy::Snapshot& snapshot, TrialExchange& exchange, Explanation& explanation) {
  RouteContext route;
  const proxy::Decision decision = decide(exchange, snapshot, 0, route);
  explanation.client.believed = route.origin.client_ip;
  explanation.client.scheme = route.origin.scheme;
  explanation.path = route.path;
  explanation.websocket = route.websocket;
  const bool routes_are_asked = !route.path.empty() && decision.action != proxy::Action::redirect_to_https &&
                                decision.action != proxy::Action::acme_challenge;
  // Before the fields are made ready for the backend.
  if (routes_are_asked) explain_routes(snapshot, route_input(exchange, route), explanation);
  if (route.route != nullptr) explanation.route = route.route->name;
  if (decision.action != proxy::Action::forward) {
    answer(snapshot.config, exchange, decision, route, explanation);
  } else {
    const proxy::TemplateValues values{exchange, route.path, route.route->name, route.origin};
    explanation.request_rules = rules_of(route.route->request_headers, values);
    explanation.response_rules = rules_of(route.route->response_headers, values);
    explanation.in_force = in_force(snapshot.config, route);
    if (route.websocket) explanation.observed = websocket_limits(route.route->websocket).observed;
    if (route.observed_origin) {
      explanation.notes.push_back("websocket.origins does not name this Origin, and observe lets it in all the same");
    }
    explanation.forwarded = forward(snapshot.config, exchange, route);
  }
}

}  // namespace

Explanation explain(const proxy::Snapshot& snapshot, const TrialRequest& request,
                    const config::Listener& listener, const TrialClient& client) {
  Explanation explanation;
  explanation.listener = listener_text(listener);
  const proxy::ConnectionInfo connection = connection_of(request, listener, client.address);
  explanation.client = {connection.peer_address, connection.peer_trusted, connection.peer_address,
                        std::string(connection.scheme()), client.http2, listener.protocols.size() > 1};
  if (listener.tls && listener.tls->client_auth.mode == config::ClientAuthMode::require) {
    explanation.notes.push_back("clients must show a certificate there (client_auth)");
  }
  http::RequestHead head;
  const http::ParseError error = parse(snapshot.config.limits, request, client.http2, head);
  TrialExchange exchange(connection, head);
  if (error == http::ParseError::none) {
    explain_decision(snapshot, exchange, explanation);
  } else {
    const proxy::Reply reply = proxy::reply_for(error);
    send_reply(exchange, reply);
    explanation.answer = answer_of(exchange, reply.sentence);
  }
  return explanation;
}

}  // namespace sluice::commands
