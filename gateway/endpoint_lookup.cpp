#include "gateway/endpoint_lookup.h"

#include <set>

#include "gateway/endpoint_names.h"
#include "tls/io_types.h"

namespace sluice {

void EndpointLookup::use(const config::Config& config, const config::Config* beside, std::chrono::milliseconds patience) {
  std::vector<upstream::Resolver::Name> names;
  std::set<upstream::DiscoveryEntry> entries;
  for (const config::Config* one : {&config, beside}) {
    if (one == nullptr) continue;
    for (const upstream::Resolver::Name& name : endpoint_names(one->upstreams).to_resolve) names.push_back(name);
    for (const config::Upstream& upstream : one->upstreams) {
      for (const config::Discovery& asked : upstream.discoveries) entries.insert({upstream.name, asked});
    }
  }
  const Clock::time_point latest = Clock::now() + patience;
  discovery_.use(std::move(entries), config.resolver);
  resolver_.use(names, patience);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(latest - Clock::now());
  if (left.count() > 0) discovery_.wait(left);
}

std::vector<config::Upstream> EndpointLookup::expanded(const config::Config& config) const {
  upstream::EndpointDiscovery::Known known = discovery_.known();
  std::vector<config::Upstream> upstreams;
  for (const config::Upstream& upstream : config.upstreams) upstreams.push_back(upstream::expand(upstream, known[upstream.name]));
  return upstreams;
}

void EndpointLookup::warn_of_unknown(const std::vector<config::Upstream>& upstreams, std::vector<std::string>& warnings) const {
  const upstream::Resolver::Known known = resolver_.known();
  for (const upstream::Resolver::Name& name : endpoint_names(upstreams).to_resolve) {
    if (!known.contains(name)) warnings.push_back(name.first + " is not resolved yet; its endpoint gets no requests until it is");
  }
  for (const config::Upstream& upstream : upstreams) {
    if (!upstream.endpoints.empty()) continue;
    warnings.push_back("upstream " + upstream.name + " has no endpoints yet; its requests fail until some are discovered");
  }
}

void EndpointLookup::hand_over(const std::vector<config::Upstream>& upstreams,
                               const std::function<void(upstream::Resolver::Known addresses)>& take) const {
  resolver_.hand_over([&](upstream::Resolver::Known addresses) {
    addresses.merge(endpoint_names(upstreams).known);
    take(std::move(addresses));
  });
}

void EndpointLookup::stop() {
  resolver_.stop();
  discovery_.stop();
}

}  // namespace sluice
