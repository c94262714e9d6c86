// Watches the health of all endpoints for the whole process, on a thread of its own: no worker is held up by it, and it works when the
// workers are busy. What it finds out it leaves in EndpointState and tells; what outlives configurations goes by endpoint.
// It owns the thread; the functions are for any thread unless they say otherwise.
#pragma once

#include <map>
#include <string>
#include <thread>

#include "tls/event_loop.h"
#include "upstream/upstream_health.h"

namespace sluice::upstream {

class HealthMonitor {
 public:
  // `told` is called on the health thread.
  HealthMonitor(metrics::Registry& registry, UpstreamHealth::Told told) : registry_(registry), told_(std::move(told)) {}
  HealthMonitor(const HealthMonitor&) = delete;
  HealthMonitor& operator=(const HealthMonitor&) = delete;
  ~HealthMonitor() { stop(); }

  // From the control thread. After stop() nobody is told of anything.
  void start();
  void stop();

  // The upstreams of the configuration in force, in place of those of before. Whoever is told has to know their endpoints by then.
  void watch(std::vector<WatchedUpstream> upstreams);
  // See FailingEndpoint.
  void failing(const std::shared_ptr<EndpointState>& state, std::string_view reason);

 private:
  void run();
  void take_over(const std::vector<WatchedUpstream>& upstreams);

  metrics::Registry& registry_;
  const UpstreamHealth::Told told_;
  tls::EventLoop loop_;
  std::map<std::string, std::unique_ptr<UpstreamHealth>> upstreams_;  // by name; the health thread's
  std::thread thread_;
};

}  // namespace sluice::upstream
