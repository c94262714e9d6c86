// `headers` and `query`: fields and parameters of a name, by value.
#pragma once

#include <string_view>
#include <vector>

#include "config/route_config.h"
#include "gateway/http/headers.h"

namespace sluice::routing {

// Every condition is met by some field. Names ignore case, values do not. No headers: none is met.
bool headers_match(const std::vector<config::FieldMatch>& wanted, const http::Headers* headers);

// Every condition is met by some parameter of `query` (with or without its '?'). Names and values are compared after decoding: percent
// escapes, and '+' for a space, as forms write them. A parameter without '=' is empty.
bool query_matches(const std::vector<config::FieldMatch>& wanted, std::string_view query);

}  // namespace sluice::routing
