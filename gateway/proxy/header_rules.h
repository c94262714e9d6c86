// A route's header operations and ${variables}, applied to one request. Pure functions of their arguments.
#pragma once

#include <string>

#include "config/route_config.h"
#include "gateway/http/forwarded.h"
#include "gateway/http/headers.h"
#include "gateway/proxy/client_exchange.h"

namespace sluice::proxy {

struct TemplateValues {
  const ClientExchange& exchange;
  std::string_view path;   // normalised
  std::string_view route;
  const http::Origin& origin;  // scheme and host as the client had them, as far as that is believed
};

// Empty when the result could not stand in a header field: no value of a variable can break out of one.
std::string expand(const config::Template& text, const TemplateValues& values);
// remove, set, add.
void apply(const config::HeaderOperations& operations, const TemplateValues& values, http::Headers& headers);

}  // namespace sluice::proxy
