// `redirect_to_https` of a plain listener: every request is sent to the same place under https. Pure
// functions over an exchange; its worker's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_context.h"

namespace sluice::proxy {

// The listener redirects, and no trusted proxy says that the client spoke https already: it would be sent
// round in circles.
bool must_use_https(const ClientExchange& exchange, const RouteContext& route) noexcept;

// Nothing when `authority` is no host. `path` and `query` as they are in a request's target, the query with
// its `?`.
std::optional<std::string> https_location(std::string_view authority, std::uint16_t port,
                                          std::string_view path, std::string_view query);

// Where it leads: 443 if it is served, else the first port that speaks TLS. `ports`: the listeners' own, in
// their order; 0 for a unix socket.
std::uint16_t https_port(const config::Config& config, const std::vector<std::uint16_t>& ports) noexcept;

// 308, so that methods and bodies stay what they are; 400 to a request without a host.
void redirect_to_https(ClientExchange& exchange, const RouteContext& route, std::uint16_t port);

}  // namespace sluice::proxy
