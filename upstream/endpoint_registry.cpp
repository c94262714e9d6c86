#include "upstream/endpoint_registry.h"

#include <algorithm>

#include "tls/io_types.h"

namespace sluice::upstream {

std::shared_ptr<EndpointState> EndpointRegistry::find_or_make(const std::string& upstream, const std::string& url,
                                                              std::int64_t joined_at) {
  std::weak_ptr<EndpointState>& known = states_[{upstream, url}];
  std::shared_ptr<EndpointState> state = known.lock();
  if (state) return state;
  known = state = std::make_shared<EndpointState>();
  state->joined_at.store(joined_at, std::memory_order_relaxed);
  return state;
}

std::shared_ptr<EndpointState> EndpointRegistry::state_of(const std::string& upstream, const config::Endpoint& endpoint) {
  const std::lock_guard lock(mutex_);
  std::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
  return find_or_make(upstream, endpoint.url, 0);
}

std::vector<std::shared_ptr<EndpointState>> EndpointRegistry::states_of(const config::Upstream& upstream) {
  const std::lock_guard lock(mutex_);
  std::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
  const bool others = std::any_of(states_.begin(), states_.end(), [&](const auto& entry) { return entry.first.first == upstream.name; });
  const std::int64_t joined_at = others ? Clock::now().time_since_epoch().count() : 0;
  std::vector<std::shared_ptr<EndpointState>> states;
  for (const config::Endpoint& endpoint : upstream.endpoints) states.push_back(find_or_make(upstream.name, endpoint.url, joined_at));
  return states;
}

}  // namespace sluice::upstream
