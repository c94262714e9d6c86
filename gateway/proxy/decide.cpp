#include "gateway/proxy/decide.h"

#include "gateway/http/uri.h"
#include "gateway/proxy/acme_challenge.h"
#include "gateway/proxy/forward_headers.h"
#include "gateway/proxy/https_redirect.h"
#include "gateway/proxy/path_rewrite.h"
#include "gateway/websocket/handshake.h"
#include "gateway/websocket/handshake_origin.h"
#include "metrics/log_text.h"

namespace sluice::proxy {
namespace {

using metrics::UpgradeResult;

// Each check returns a refusal, or nothing when the request may go on.
using Refused = std::optional<Decision>;

Decision refuse(const Reply& reply) { return {Action::refuse, reply, false, std::nullopt}; }
Decision refuse_out_of_step(const Reply& reply) { return {Action::refuse, reply, true, std::nullopt}; }
Decision refuse_upgrade(const Reply& reply) { return {Action::refuse, reply, true, UpgradeResult::rejected_route}; }

Refused check_method(const ClientExchange& exchange) {
  const std::string_view method = exchange.request.method;
  if (!exchange.request.protocol.empty() && method == "CONNECT") return refuse_out_of_step(reply_for(Refusal::unknown_protocol));
  if (method != "CONNECT" && method != "TRACE") return std::nullopt;
  return refuse_out_of_step(reply_for(Refusal::method_not_allowed));
}

// The path that routes see.
Refused normalize(const ClientExchange& exchange, RouteContext& route) {
  if (exchange.request.form == http::TargetForm::asterisk) {
    route.path = "*";
    return std::nullopt;
  }
  const http::NormalizedPath normalized = http::normalize_path(exchange.request.path, route.path_storage);
  if (normalized.error != http::PathError::none) return refuse_out_of_step(reply_for(normalized.error));
  route.path = normalized.path;
  return std::nullopt;
}

std::string_view host_of(const ClientExchange& exchange) {
  const std::optional<http::Authority> authority = http::parse_authority(exchange.request.authority);
  return authority ? authority->host : std::string_view{};
}

// A client that would be shown another certificate for this host is to ask there (RFC 9110 15.5.20).
Refused check_certificate(const ClientExchange& exchange) {
  const ConnectionInfo& connection = exchange.connection;
  if (!connection.served) return std::nullopt;
  const std::string_view host = host_of(exchange);
  if (http::equals_ignore_case(host, connection.sni) || !connection.served->is_wrong_for(host)) return std::nullopt;
  return refuse(reply_for(Refusal::misdirected));
}

Refused match(ClientExchange& exchange, const Snapshot& snapshot, RouteContext& route) {
  const std::size_t index = snapshot.routes.match(route_input(exchange, route));
  if (index == routing::RouteTable::kNone) return refuse(reply_for(Refusal::no_route));
  const config::Config& config = snapshot.config;
  exchange.record.route = index;
  route.route = exchange.route = &config.routes[index];
  route.upstream_path = route.path;
  route.max_body = route.route->max_request_body.value_or(config.limits.max_request_body);
  route.response_head_timeout = route.route->timeouts.response_head.value_or(config.timeouts.response_head);
  route.response_body_idle =
      route.route->timeouts.response_body_idle.value_or(config.timeouts.response_body_idle);
  return std::nullopt;
}

// Whether the route is open at all.
Refused check_open(const RouteContext& route) {
  if (!route.route->maintenance) return std::nullopt;
  Decision decision = refuse(reply_for(Refusal::maintenance));
  if (route.websocket) decision.upgrade = UpgradeResult::rejected_route;
  return decision;
}

// The handshake itself, and whether the route takes it.
Refused check_upgrade(const ClientExchange& exchange, const RouteContext& route) {
  if (!route.websocket) return std::nullopt;
  if (!route.route->websocket.enabled) {
    return refuse_upgrade(reply_for(Refusal::upgrades_disabled));
  }
  const websocket::HandshakeError error = websocket::check_request(exchange.request);
  if (error == websocket::HandshakeError::none) return std::nullopt;
  Decision decision = refuse_out_of_step(reply_for(error));
  decision.upgrade = UpgradeResult::rejected_client;
  return decision;
}

// Whether the page that opens the WebSocket may.
Refused check_origin(ClientExchange& exchange, RouteContext& route) {
  if (!route.websocket) return std::nullopt;
  const http::Headers& headers = exchange.request.headers;
  if (websocket::origin_allowed(route.route->websocket.origins, headers, route.origin)) return std::nullopt;
  if (route.route->websocket.observe) {
    route.observed_origin = true;
    return std::nullopt;
  }
  exchange.record.failure_detail = "Origin ";
  exchange.record.failure_detail += metrics::looked_at(headers.find("Origin").value_or(""), metrics::kMaxText);
  Decision decision = refuse_out_of_step(reply_for(Refusal::origin_not_allowed));
  decision.upgrade = UpgradeResult::rejected_origin;
  return decision;
}

Refused check_body(const ClientExchange& exchange, const RouteContext& route) {
  const http::BodyFraming& body = exchange.request.body;
  const bool fits =
      !route.max_body || body.kind != http::BodyKind::length || body.content_length <= *route.max_body;
  if (fits) return std::nullopt;
  return refuse_out_of_step(reply_for(Refusal::request_too_large));
}

// The path for the upstream, when the route changes it.
Refused rewrite(ClientExchange& exchange, RouteContext& route) {
  if (!route.route->rewrite) return std::nullopt;
  const std::optional<std::string_view> path =
      rewrite_path(*route.route->rewrite, route.path, route.upstream_path_storage);
  if (path) {
    route.upstream_path = *path;
    return std::nullopt;
  }
  exchange.record.failure_detail = "by the rewrite of route " + route.route->name;
  Decision decision = refuse_out_of_step(reply_for(Refusal::bad_rewrite));
  if (route.websocket) decision.upgrade = UpgradeResult::rejected_route;
  return decision;
}

}  // namespace

Decision decide(ClientExchange& exchange, const Snapshot& snapshot, std::uint64_t random,
                RouteContext& route) {
  // The received Host says nothing then (RFC 9112 3.2.2), to matchers neither. `OPTIONS http://host` has become the asterisk form.
  http::RequestHead& request = exchange.request;
  if (request.form != http::TargetForm::origin) request.headers.set("Host", request.authority);
  route.origin = origin_of(exchange, random);
  exchange.record.client_ip = route.origin.client_ip;
  exchange.record.request_id = route.origin.request_id;
  if (const Refused refused = check_method(exchange)) return *refused;
  if (const Refused refused = check_certificate(exchange)) return *refused;
  if (const Refused refused = normalize(exchange, route)) return *refused;
  route.websocket = websocket::upgrade_kind(exchange.request) == websocket::UpgradeKind::websocket;
  const bool must_not_succeed = route.websocket && exchange.tunnel_by_status();  // by an answer that is not the backend's consent
  if (!must_not_succeed && is_acme_challenge(exchange, route.path)) return {.action = Action::acme_challenge};
  if (must_use_https(exchange, route)) return {.action = Action::redirect_to_https};
  if (const Refused refused = match(exchange, snapshot, route)) return *refused;
  if (const Refused refused = check_open(route)) return *refused;
  if (const Refused refused = check_upgrade(exchange, route)) return *refused;
  if (const Refused refused = check_origin(exchange, route)) return *refused;
  if (const Refused refused = check_body(exchange, route)) return *refused;
  if (!route.route->upstream && !route.route->split) {
    const bool succeeds = route.route->respond && route.route->respond->status / 100 == 2;
    if (succeeds && must_not_succeed) return refuse_upgrade(reply_for(Refusal::upgrades_disabled));
    return {.action = Action::respond};
  }
  if (const Refused refused = rewrite(exchange, route)) return *refused;
  return {.action = Action::forward};
}

routing::RouteInput route_input(const ClientExchange& exchange, const RouteContext& route) {
  routing::RouteInput input;
  input.listener = exchange.connection.listener->name;
  input.host = host_of(exchange);
  input.path = route.path;
  input.method = exchange.request.method;
  input.query = exchange.request.query;
  input.websocket = route.websocket;
  input.headers = &exchange.request.headers;
  input.peer_trusted = exchange.connection.peer_trusted;
  return input;
}

}  // namespace sluice::proxy
