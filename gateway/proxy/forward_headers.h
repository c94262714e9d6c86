// The fields of a message as it goes on: what belongs to one connection is taken off, what the gateway says is put on.
// Pure functions of their arguments.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_context.h"

namespace sluice::proxy {

// Who the client is, told from the connection and, if the peer is trusted, from its forwarding fields.
// Good until the request's fields are cleared.
http::Origin origin_of(ClientExchange& exchange, std::uint64_t random);
// The request's fields, ready for append_request_head(): once per request, before the first attempt. Returns the names that its
// Connection named, for passable_trailers(); good until the fields are cleared.
std::vector<std::string_view> prepare_request_headers(ClientExchange& exchange, const RouteContext& route);
// What the upstream is asked for: the path as the route rewrites it, the query as it came.
std::string upstream_target(const ClientExchange& exchange, const RouteContext& route);
// The response's fields, ready for start_response(), which frames the body itself. Returns what its Connection named.
std::vector<std::string_view> prepare_response_headers(ClientExchange& exchange, const RouteContext& route,
                                                       http::ResponseHead& response);

// The trailers without the names that the message's Connection `named`, which are for the next hop alone (RFC 9110 7.6.1), and
// without those that the route sets, adds or removes: a receiver that merges trailers into the fields must not get past the
// route's word. Views into `trailers`.
http::Headers passable_trailers(const http::Headers& trailers, std::span<const std::string_view> named,
                                const config::HeaderOperations& operations);

}  // namespace sluice::proxy
