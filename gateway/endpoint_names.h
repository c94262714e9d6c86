// Which names of upstreams' endpoints have to be resolved, and the addresses of the others.
#pragma once

#include "config/config.h"
#include "upstream/resolver.h"

namespace sluice {

struct EndpointNames {
  std::vector<upstream::Resolver::Name> to_resolve;
  upstream::Resolver::Known known;  // IP addresses and unix sockets
};

EndpointNames endpoint_names(const std::vector<config::Upstream>& upstreams);

}  // namespace sluice
