#include "gateway/proxy/https_redirect.h"

#include "gateway/http/uri.h"
#include "gateway/proxy/reply.h"

namespace sluice::proxy {
namespace {

constexpr std::uint16_t kHttpsPort = 443;

}  // namespace

bool must_use_https(const ClientExchange& exchange, const RouteContext& route) noexcept {
  return exchange.connection.listener->redirect_to_https && route.origin.scheme != "https";
}

std::optional<std::string> https_location(std::string_view authority, std::uint16_t port,
                                          std::string_view path, std::string_view query) {
  const std::optional<http::Authority> parts = http::parse_authority(authority);
  if (!parts) return std::nullopt;
  std::string location = "https://";
  if (parts->ipv6_literal) location.push_back('[');
  location.append(parts->host);
  if (parts->ipv6_literal) location.push_back(']');
  if (port != kHttpsPort) location.append(":").append(std::to_string(port));
  if (path != "*") location.append(path);  // `OPTIONS *` asks about the server, not about a path
  return location.append(query);
}

std::uint16_t https_port(const config::Config& config, const std::vector<std::uint16_t>& ports) noexcept {
  std::uint16_t first = 0;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (!config.listeners[i].tls) continue;
    if (ports[i] == kHttpsPort) return kHttpsPort;
    if (first == 0) first = ports[i];
  }
  return first;
}

void redirect_to_https(ClientExchange& exchange, const RouteContext& route, std::uint16_t port) {
  const std::optional<std::string> location =
      https_location(route.origin.host, port, route.path, exchange.request.query);
  if (!location) {
    send_reply(exchange, reply_for(Refusal::no_host));
    return;
  }
  http::Headers headers;
  headers.add("Location", *location);
  send_response(exchange, 308, headers, {});
}

}  // namespace sluice::proxy
