#include "gateway/proxy/reply.h"

#include "gateway/proxy/grpc_reply.h"
#include "gateway/proxy/http_date.h"

namespace sluice::proxy {

Reply reply_for(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::no_route: return {404, "no_route", "No route matches this request."};
    case Refusal::no_challenge: return {404, "no_acme_challenge", "There is no ACME challenge of this name."};
    case Refusal::no_host: return {400, "no_host", "The request names no host, which a redirect to https needs."};
    case Refusal::method_not_allowed: return {405, "method_not_allowed", "CONNECT and TRACE are not served here."};
    case Refusal::misdirected: return {421, "misdirected_request", "This connection is not for that host."};
    case Refusal::unknown_protocol: return {501, "unknown_protocol", "The only protocol to CONNECT for is websocket."};
    case Refusal::upgrades_disabled: return {403, "upgrades_disabled", "WebSocket is not enabled here."};
    case Refusal::origin_not_allowed: return {403, "origin_not_allowed", "Pages of this origin may not open WebSockets here."};
    case Refusal::maintenance: return {503, "maintenance", "This service is down for maintenance."};
    case Refusal::too_many_handshakes: return {429, "too_many_handshakes", "This client opens WebSockets too fast."};
    case Refusal::too_many_tunnels: return {503, "too_many_tunnels", "Too many WebSockets are open here."};
    case Refusal::too_many_tunnels_of_client:
      return {503, "too_many_tunnels_of_client", "This client has too many WebSockets open here."};
    case Refusal::request_too_large: return {413, "request_too_large", "The request's body is too large."};
    case Refusal::request_head_timeout: return {408, "request_head_timeout", "The request's head did not come in time."};
    case Refusal::request_body_timeout: return {408, "request_body_timeout", "The request's body did not come in time."};
    case Refusal::bad_rewrite: return {500, "bad_rewrite", "The gateway's rewrite rule does not fit this path."};
    case Refusal::internal_error: break;
  }
  return {500, "internal_error", "The gateway failed to handle this request."};
}

Reply reply_for(http::ParseError error) noexcept {
  return {http::status_of(error), http::name_of(error), http::describe(error)};
}

Reply reply_for(http::PathError error) noexcept {
  return {400, http::name_of(error), "The request's path is ambiguous or not valid."};
}

Reply reply_for(websocket::HandshakeError error) noexcept {
  return {websocket::status_of(error), websocket::name_of(error), websocket::describe(error)};
}

Reply reply_for(upstream::FailureCode code) noexcept {
  using upstream::FailureCode;
  const auto status = [code]() -> unsigned {
    switch (code) {
      case FailureCode::no_endpoint:
      case FailureCode::upstream_full:
      case FailureCode::resolve_failed:
      case FailureCode::stream_refused:
      case FailureCode::overloaded: return 503;
      case FailureCode::connect_timeout:
      case FailureCode::response_timeout: return 504;
      case FailureCode::client_left: return 499;
      case FailureCode::connect_refused:
      case FailureCode::connect_failed:
      case FailureCode::tls_failed:
      case FailureCode::certificate_rejected:
      case FailureCode::reset:
      case FailureCode::bad_response:
      case FailureCode::bad_upgrade:
      case FailureCode::body_truncated:
      case FailureCode::body_timeout:
      case FailureCode::bad_body:
      case FailureCode::none:
      case FailureCode::count_: break;
    }
    return 502;
  }();
  return {status, upstream::name_of(code), upstream::describe(code)};
}

void send_response(ClientExchange& exchange, unsigned status, http::Headers& headers, std::string_view body) {
  exchange.record.status = status;
  headers.set("Date", http_date());
  http::BodyFraming framing;
  framing.kind = http::BodyKind::length;
  framing.content_length = body.size();
  if (status == 204 || status == 304 || status < 200) {
    framing.kind = http::BodyKind::none;
    body = {};
  }
  exchange.start_response(status, http::default_reason(status), headers, framing);
  if (exchange.request.method == "HEAD") body = {};
  exchange.record.bytes_sent += body.size();
  exchange.send_body(body, true, nullptr);
}

namespace {

const config::ErrorPage* page_for(const ClientExchange& exchange, unsigned status) {
  if (exchange.route == nullptr) return nullptr;
  const auto found = exchange.route->error_pages.find(status);
  return found == exchange.route->error_pages.end() ? nullptr : &found->second;
}

}  // namespace

bool send_reply(ClientExchange& exchange, const Reply& reply) {
  exchange.record.failure = reply.error;
  if (exchange.response_started() && !exchange.take_back_response()) return false;
  if (is_grpc(exchange.request)) {
    send_grpc_reply(exchange, reply);
    return true;
  }
  http::Headers headers;
  std::string text;
  const config::ErrorPage* page = page_for(exchange, reply.status);
  if (page == nullptr) {
    text = std::to_string(reply.status);
    text.append(" ").append(http::default_reason(reply.status)).append(": ").append(reply.sentence).append("\n");
  }
  headers.add_view("Content-Type", page != nullptr ? std::string_view(page->content_type) : "text/plain; charset=utf-8");
  headers.add_view("Sluice-Error", reply.error);
  if (reply.status == 405) headers.add_view("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  if (reply.status == 426) {
    headers.add_view("Sec-WebSocket-Version", "13");
    headers.add_view("Connection", "Upgrade");
    headers.add_view("Upgrade", "websocket");
  }
  if (reply.retry_after.count() > 0) headers.add("Retry-After", std::to_string(reply.retry_after.count()));
  if (reply.status == 503) headers.add_view("Retry-After", "5");
  send_response(exchange, reply.status, headers, page != nullptr ? page->body : text);
  return true;
}

}  // namespace sluice::proxy
