// `headers` and `query`: fields and parameters of a name, by value.
#pragma once

#include <string_view>
#include <vector>

#include "config/route_config.h"
#include "gateway/http/headers.h"

namespace sluice::routing {

// The first condition that no field meets; null when there is none. Names ignore case, values do not. No
// headers: none is met. Fields that the upstream does not get as they are meet none: those that Connection names, and forwarding
// fields unless the peer is trusted.
const config::FieldMatch* unmet_header(const std::vector<config::FieldMatch>& wanted,
                                       const http::Headers* headers, bool peer_trusted);

// The first condition that no parameter of `query` (with or without its '?') meets. Names and values are
// compared after decoding: percent escapes, and '+' for a space, as forms write them. A parameter without '='
// is empty.
const config::FieldMatch* unmet_parameter(const std::vector<config::FieldMatch>& wanted,
                                          std::string_view query);

}  // namespace sluice::routing
