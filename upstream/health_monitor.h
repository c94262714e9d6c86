// Watches the health of all endpoints for the whole process, on a thread of its own: no worker is held up by it, and it
// works when the workers are busy. What it finds out it leaves in EndpointState and tells; what outlives configurations
// goes by endpoint. It owns the thread; the functions are for any thread unless they say otherwise.
#pragma once

#include <map>
#include <string>
#include <thread>

#include "tls/event_loop.h"
#include "tls/worker_io.h"
#include "upstream/resolver.h"
#include "upstream/upstream_health.h"

namespace sluice::upstream {

class HealthMonitor {
 public:
  // `told` is called on the health thread.
  HealthMonitor(metrics::Registry& registry, HttpProbe http_probe, UpstreamHealth::Told told);
  HealthMonitor(const HealthMonitor&) = delete;
  HealthMonitor& operator=(const HealthMonitor&) = delete;
  ~HealthMonitor() { stop(); }

  // From the control thread. After stop() nobody is told of anything.
  void start();
  void stop();

  // The upstreams of the configuration in force, in place of those of before. Whoever is told has to know their
  // endpoints by then.
  void watch(std::vector<WatchedUpstream> upstreams, Resolver::Known addresses);
  void set_addresses(const Resolver::Name& name, const std::shared_ptr<const Addresses>& addresses);
  // As Worker::expect_child(): `ready` is called on the health thread.
  void expect_child(std::function<void()> ready);
  // See FailingEndpoint.
  void failing(const std::shared_ptr<EndpointState>& state, std::string_view reason);

 private:
  static constexpr std::uint64_t kMostHeld = 1 << 20;  // bytes of requests that endpoints do not take
  void run();
  std::unique_ptr<UpstreamHealth> renewed(const WatchedUpstream& watched, std::unique_ptr<UpstreamHealth>& known);
  void take_over(const std::vector<WatchedUpstream>& upstreams, const Resolver::Known& addresses);

  metrics::Registry& registry_;
  const HttpProbe http_probe_;
  const UpstreamHealth::Told told_;
  tls::EventLoop loop_;
  // Of the connections that checks make: those metrics are about clients, which have no part in them.
  metrics::Registry uncounted_{0};
  metrics::ConnectionMetrics connection_metrics_{uncounted_, 0, {}};
  tls::HeldBytes held_{kMostHeld};
  tls::WorkerIo io_{loop_, held_, connection_metrics_};
  std::map<std::string, std::unique_ptr<UpstreamHealth>> upstreams_;  // by name; the health thread's
  std::thread thread_;
};

}  // namespace sluice::upstream
