// What `balance: hash` goes by. Pure functions of their arguments.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_context.h"

namespace sluice::proxy {

// Absent: the request has no such header, cookie or parameter. Of several the first counts.
std::optional<std::uint64_t> hash_key(const config::HashOn& on, const ClientExchange& exchange, const RouteContext& route);

}  // namespace sluice::proxy
