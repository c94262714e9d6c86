#include "gateway/proxy/forward_headers.h"

#include <algorithm>
#include <array>

#include "gateway/http/cookies.h"
#include "gateway/http/hop_by_hop.h"
#include "gateway/proxy/header_rules.h"
#include "gateway/proxy/http_date.h"
#include "gateway/proxy/split.h"

namespace sluice::proxy {
namespace {

http::Peer peer_of(const ClientExchange& exchange) {
  http::Peer peer;
  peer.address = exchange.connection.peer_address;
  peer.scheme = exchange.connection.scheme();
  peer.host = exchange.request.authority;
  peer.trusted = exchange.connection.peer_trusted;
  return peer;
}

std::string_view version_text(http::Version version) {
  if (version == http::Version::http_2) return "2.0";
  return version == http::Version::http_1_0 ? "1.0" : "1.1";
}

TemplateValues values_of(const ClientExchange& exchange, const RouteContext& route) {
  return {exchange, route.path, route.route->name, route.origin};
}

bool concerns(const config::HeaderOperations& operations, std::string_view name) {
  const auto same = [name](const config::HeaderTemplate& field) { return http::equals_ignore_case(field.name, name); };
  return std::any_of(operations.set.begin(), operations.set.end(), same) ||
         std::any_of(operations.add.begin(), operations.add.end(), same) ||
         std::any_of(operations.remove.begin(), operations.remove.end(),
                     [name](const std::string& removed) { return http::equals_ignore_case(removed, name); });
}

void set_framing(http::Headers& headers, const http::BodyFraming& body) {
  headers.remove("Content-Length");
  if (body.kind == http::BodyKind::chunked) headers.add_view("Transfer-Encoding", "chunked");
  if (body.kind == http::BodyKind::length) headers.add("Content-Length", std::to_string(body.content_length));
}

}  // namespace

http::Origin origin_of(ClientExchange& exchange, std::uint64_t random) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<char, 16> id;
  for (char& digit : id) {
    digit = kHex[random & 15];
    random >>= 4;
  }
  http::Headers& headers = exchange.request.headers;
  return http::find_origin(headers, peer_of(exchange), exchange.connection.listener->trusted_proxies,
                           headers.keep({id.data(), id.size()}));
}

std::vector<std::string_view> prepare_request_headers(ClientExchange& exchange, const RouteContext& route) {
  http::RequestHead& request = exchange.request;
  http::Headers& headers = request.headers;
  std::vector<std::string_view> named = http::remove_hop_by_hop(headers);
  http::remove_underscored(headers);
  // The authority of an absolute-form target wins, also when `OPTIONS http://host` has become the asterisk form.
  if (request.form != http::TargetForm::origin || !headers.contains("Host")) headers.set("Host", request.authority);
  if (request.body.kind != http::BodyKind::none || headers.contains("Content-Length")) set_framing(headers, request.body);
  http::set_forwarding_fields(headers, peer_of(exchange), route.origin, version_text(request.version));
  // Behind the forwarding fields, which tell the host that the client asked for.
  if (route.route->rewrite && route.route->rewrite->host) headers.set("Host", *route.route->rewrite->host);
  if (route.websocket) {
    headers.add_view("Connection", "Upgrade");
    headers.add_view("Upgrade", "websocket");
  }
  if (route.route->split && route.route->split->sticky) http::remove_cookie(headers, split_cookie_name(*route.route));
  apply(route.route->request_headers, values_of(exchange, route), headers);
  return named;
}

std::string upstream_target(const ClientExchange& exchange, const RouteContext& route) {
  std::string target(route.upstream_path);
  target.append(exchange.request.query);
  return target;
}

std::vector<std::string_view> prepare_response_headers(ClientExchange& exchange, const RouteContext& route,
                                                       http::ResponseHead& response) {
  std::vector<std::string_view> named = http::remove_hop_by_hop(response.headers);
  // Without a body, Content-Length still says how long it would be (HEAD, 304).
  if (response.body.kind != http::BodyKind::none) response.headers.remove("Content-Length");
  if (!response.headers.contains("Date")) response.headers.add("Date", http_date());  // RFC 9110 6.6.1
  http::add_via(response.headers, version_text(response.version));
  apply(route.route->response_headers, values_of(exchange, route), response.headers);
  // Behind the route's rules, which are about the application's cookies.
  if (!route.new_cookie.empty()) add_split_cookie(route, response.headers);
  if (route.sticky != nullptr && (!route.kept || route.kept->renew || route.kept->endpoint != route.endpoint)) {
    route.sticky->add(route.endpoint, route.origin.scheme == "https", exchange.record.time, response.headers);
  }
  return named;
}

http::Headers passable_trailers(const http::Headers& trailers, std::span<const std::string_view> named,
                                const config::HeaderOperations& operations) {
  http::Headers passable;
  for (const http::Field& field : trailers) {
    const auto same = [&](std::string_view name) { return http::equals_ignore_case(field.name, name); };
    if (std::any_of(named.begin(), named.end(), same)) continue;
    if (!concerns(operations, field.name)) passable.add_view(field.name, field.value);
  }
  return passable;
}

}  // namespace sluice::proxy
