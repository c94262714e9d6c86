#include "upstream/endpoint_registry.h"

namespace sluice::upstream {

std::shared_ptr<EndpointState> EndpointRegistry::state_of(const std::string& upstream, const config::Endpoint& endpoint) {
  const std::lock_guard lock(mutex_);
  std::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<EndpointState>& known = states_[{upstream, endpoint.url}];
  std::shared_ptr<EndpointState> state = known.lock();
  if (!state) known = state = std::make_shared<EndpointState>();
  return state;
}

}  // namespace sluice::upstream
