#include "gateway/endpoint_names.h"

namespace sluice {

EndpointNames endpoint_names(const std::vector<config::Upstream>& upstreams) {
  EndpointNames names;
  const auto add = [&names](const upstream::Resolver::Name& name, upstream::Addresses addresses) {
    names.known[name] = std::make_shared<const upstream::Addresses>(std::move(addresses));
  };
  for (const config::Upstream& upstream : upstreams) {
    for (const config::Endpoint& endpoint : upstream.endpoints) {
      const upstream::Resolver::Name name{endpoint.host, endpoint.port};
      if (endpoint.unix_socket) {
        add(name, upstream::Addresses(1, upstream::SocketAddress::unix_socket(endpoint.host)));
      } else if (std::optional<upstream::Addresses> literal = upstream::Resolver::parse_literal(name)) {
        add(name, std::move(*literal));
      } else {
        names.to_resolve.push_back(name);
      }
    }
  }
  return names;
}

}  // namespace sluice
