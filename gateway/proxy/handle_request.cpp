#include "gateway/proxy/handle_request.h"

#include "gateway/http/uri.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/forward_headers.h"
#include "gateway/proxy/forward_request.h"
#include "gateway/proxy/forward_upgrade.h"
#include "gateway/proxy/header_rules.h"
#include "gateway/proxy/https_redirect.h"
#include "gateway/proxy/reply.h"
#include "gateway/websocket/handshake.h"

namespace sluice::proxy {
namespace {

using websocket::UpgradeKind;

// A refusal after which the rest of the connection cannot be trusted to be in step.
void refuse(ClientExchange& exchange, const Reply& reply) {
  exchange.close_after();
  send_reply(exchange, reply);
}

// The path that routes see; false: refused.
bool normalize(ClientExchange& exchange, RouteContext& route, std::string& storage) {
  if (exchange.request.form == http::TargetForm::asterisk) {
    route.path = "*";
    return true;
  }
  const http::NormalizedPath normalized = http::normalize_path(exchange.request.path, storage);
  if (normalized.error != http::PathError::none) {
    refuse(exchange, reply_for(normalized.error));
    return false;
  }
  route.path = normalized.path;
  return true;
}

std::string_view host_of(const ClientExchange& exchange) {
  const std::optional<http::Authority> authority = http::parse_authority(exchange.request.authority);
  return authority ? authority->host : std::string_view{};
}

bool match(ClientExchange& exchange, Services& services, RouteContext& route) {
  routing::RouteInput input;
  input.listener = exchange.connection.listener->name;
  input.host = host_of(exchange);
  input.path = route.path;
  input.method = exchange.request.method;
  input.query = exchange.request.query;
  input.websocket = route.websocket;
  input.headers = &exchange.request.headers;
  const std::size_t index = services.snapshot->routes.match(input);
  if (index == routing::RouteTable::kNone) {
    // The body, if any, is not read: too much of it would be a gift.
    if (!exchange.body_complete()) exchange.close_after();
    send_reply(exchange, reply_for(Refusal::no_route));
    return false;
  }
  const config::Config& config = services.snapshot->config;
  exchange.record.route = index;
  route.route = exchange.route = &config.routes[index];
  route.services = &services.route(index);
  route.max_body = route.route->max_request_body.value_or(config.limits.max_request_body);
  route.response_head_timeout = route.route->timeouts.response_head.value_or(config.timeouts.response_head);
  route.response_body_idle = route.route->timeouts.response_body_idle.value_or(config.timeouts.response_body_idle);
  return true;
}

// Whether the route is open at all.
bool check_open(ClientExchange& exchange, const RouteContext& route) {
  if (!route.route->maintenance) return true;
  if (route.websocket) route.services->websocket.count_upgrade(metrics::UpgradeResult::rejected_route);
  if (!exchange.body_complete()) exchange.close_after();
  send_reply(exchange, reply_for(Refusal::maintenance));
  return false;
}

// The handshake itself, and whether the route takes it.
bool check_upgrade(ClientExchange& exchange, RouteContext& route) {
  metrics::WebSocketMetrics& metrics = route.services->websocket;
  if (!route.route->websocket.enabled) {
    metrics.count_upgrade(metrics::UpgradeResult::rejected_route);
    refuse(exchange, reply_for(Refusal::upgrades_disabled));
    return false;
  }
  const websocket::HandshakeError error = websocket::check_request(exchange.request);
  if (error == websocket::HandshakeError::none) return true;
  metrics.count_upgrade(metrics::UpgradeResult::rejected_client);
  refuse(exchange, reply_for(error));
  return false;
}

bool check_body(ClientExchange& exchange, const RouteContext& route) {
  const http::BodyFraming& body = exchange.request.body;
  if (!route.max_body || body.kind != http::BodyKind::length || body.content_length <= *route.max_body) return true;
  refuse(exchange, reply_for(Refusal::request_too_large));
  return false;
}

// Redirects and fixed answers: no upstream is involved.
void answer(ClientExchange& exchange, const RouteContext& route) {
  if (!exchange.body_complete()) exchange.close_after();
  const TemplateValues values{exchange, route.path, route.route->name, route.origin.scheme};
  http::Headers headers;
  unsigned status = 0;
  std::string_view body;
  if (route.route->redirect) {
    status = route.route->redirect->status;
    headers.add("Location", expand(route.route->redirect->to, values));
  } else {
    status = route.route->respond->status;
    body = route.route->respond->body;
    for (const config::HeaderTemplate& field : route.route->respond->headers) {
      headers.add(field.name, expand(field.value, values));
    }
  }
  apply(route.route->response_headers, values, headers);
  send_response(exchange, status, headers, body);
}

// Everything between the head and the end of the response.
Awaitable<std::unique_ptr<websocket::Tunnel>> serve(ClientExchange& exchange, Services& services) {
  RouteContext route;
  route.origin = origin_of(exchange, services.random());
  exchange.record.client_ip = route.origin.client_ip;
  exchange.record.request_id = route.origin.request_id;
  const std::string_view method = exchange.request.method;
  if (method == "CONNECT" || method == "TRACE") {
    refuse(exchange, reply_for(Refusal::method_not_allowed));
    co_return nullptr;
  }
  std::string path_storage;
  if (!normalize(exchange, route, path_storage)) co_return nullptr;
  if (must_use_https(exchange, route)) {
    redirect_to_https(exchange, route, services.https_port);
    co_return nullptr;
  }
  route.websocket = websocket::upgrade_kind(exchange.request) == UpgradeKind::websocket;
  if (!match(exchange, services, route)) co_return nullptr;
  if (!check_open(exchange, route)) co_return nullptr;
  if (route.websocket && !check_upgrade(exchange, route)) co_return nullptr;
  if (!check_body(exchange, route)) co_return nullptr;
  if (!route.route->upstream) {
    answer(exchange, route);
    co_return nullptr;
  }
  prepare_request_headers(exchange, route);
  if (route.websocket) co_return co_await forward_upgrade(exchange, services, route);
  co_await forward_request(exchange, services, route);
  co_return nullptr;
}

}  // namespace

Awaitable<std::unique_ptr<websocket::Tunnel>> handle_request(ClientExchange& exchange, Services& services) {
  std::unique_ptr<websocket::Tunnel> tunnel;
  std::exception_ptr exception;
  try {
    tunnel = co_await serve(exchange, services);
  } catch (...) {  // memory ran out; what was sent of a response cannot be finished
    exception = std::current_exception();
    if (!exchange.response_started()) exchange.record.status = 500;
    exchange.record.failure = reply_for(Refusal::internal_error).error;
    exchange.break_off();
  }
  finish_request(exchange, services);
  if (exception) std::rethrow_exception(exception);
  co_return tunnel;
}

}  // namespace sluice::proxy
