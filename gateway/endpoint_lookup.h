// Looks up what the upstreams' endpoints leave to DNS: the addresses of names in their URLs, and the endpoints that `dns` and `srv`
// entries stand for. Owns the threads that do. The control thread's; what they find goes to `changed` and `discovered` on them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/config.h"
#include "upstream/endpoint_discovery.h"
#include "upstream/resolver.h"

namespace sluice {

class EndpointLookup {
 public:
  // `changed`: an address of a name. `discovered`: other endpoints than before; what discovered() says.
  EndpointLookup(metrics::Registry& registry, upstream::Resolver::Changed changed, std::function<void()> discovered)
      : resolver_(std::move(changed)), discovery_(registry, std::move(discovered)) {}

  // What a gateway knew that this one replaces. Before use().
  void remember(upstream::DiscoveredByUpstream known) { discovery_.remember(std::move(known)); }
  // Looks up what `config` names from now on, and what `beside` does. Returns when all was tried once, or after `patience`.
  void use(const config::Config& config, const config::Config* beside = nullptr, std::chrono::milliseconds patience = {});
  // Whether all was tried once.
  bool is_settled() const { return resolver_.is_settled() && discovery_.is_settled(); }

  // What DNS said last.
  upstream::DiscoveredByUpstream discovered() const { return discovery_.known(); }
  // The configuration's upstreams, with the endpoints that were discovered.
  std::vector<config::Upstream> expanded(const config::Config& config) const;
  // Appends to `warnings` which of these have no address or no endpoint yet.
  void warn_of_unknown(const std::vector<config::Upstream>& upstreams, std::vector<std::string>& warnings) const;
  // Calls `take` with the addresses of these, as far as they are known, and meanwhile `changed` with nothing: none of what it is given is
  // overwritten by an older one.
  void hand_over(const std::vector<config::Upstream>& upstreams,
                 const std::function<void(upstream::Resolver::Known addresses)>& take) const;
  void stop();

 private:
  upstream::Resolver resolver_;
  upstream::EndpointDiscovery discovery_;
};

}  // namespace sluice
