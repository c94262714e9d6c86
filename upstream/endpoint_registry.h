// Hands out the process-wide state of endpoints, one per upstream and address, so that it survives a new configuration.
// Any thread; used when a configuration is built, never per request.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "upstream/endpoint.h"

namespace sluice::upstream {

class EndpointRegistry {
 public:
  std::shared_ptr<EndpointState> state_of(const std::string& upstream, const config::Endpoint& endpoint);

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::weak_ptr<EndpointState>> states_;
};

}  // namespace sluice::upstream
