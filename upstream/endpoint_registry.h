// Hands out the process-wide state of endpoints, one per upstream and address, so that it survives a new configuration.
// Any thread; used when a configuration is built, never per request.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "upstream/endpoint.h"

namespace sluice::upstream {

class EndpointRegistry {
 public:
  // Of one that is known, or that nobody is spared for.
  std::shared_ptr<EndpointState> state_of(const std::string& upstream, const config::Endpoint& endpoint);
  // Of all endpoints of an upstream, in their order. What is new while others are in use has joined (EndpointState::joined_at): so
  // whoever makes an upstream's endpoints known does it here, all at once.
  std::vector<std::shared_ptr<EndpointState>> states_of(const config::Upstream& upstream);

 private:
  std::shared_ptr<EndpointState> find_or_make(const std::string& upstream, const std::string& url, std::int64_t joined_at);
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::weak_ptr<EndpointState>> states_;
};

}  // namespace sluice::upstream
