// What counts when an endpoint is left out because requests to it fail (`outlier` in the configuration). Workers count failures in a row in
// EndpointState and tell when there are enough; the HealthMonitor decides.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "upstream/endpoint.h"
#include "upstream/failure.h"

namespace sluice::upstream {

// Told by a worker's thread when an endpoint has failed as often in a row as `outlier` says. `reason`: of the last time; static text.
using FailingEndpoint = std::function<void(const std::shared_ptr<EndpointState>&, std::string_view reason)>;

// What the HealthMonitor found: an endpoint is out now, or in again.
struct HealthChange {
  std::shared_ptr<EndpointState> state;
  bool out = false;
  bool tunnels_leave = false;  // and those that it has are closed
};

// Whether a failed attempt says something about the endpoint: no answer came that could be read. Not a kept connection that had
// ended (backends close those), nor what may lie with the client or with ourselves.
bool speaks_against_endpoint(FailureCode code, bool reused) noexcept;

}  // namespace sluice::upstream
