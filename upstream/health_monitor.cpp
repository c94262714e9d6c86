#include "upstream/health_monitor.h"

#include <pthread.h>

#include "metrics/log.h"
#include "metrics/signals_blocked.h"

namespace sluice::upstream {

HealthMonitor::HealthMonitor(metrics::Registry& registry, HttpProbe http_probe, UpstreamHealth::Told told)
    : registry_(registry), http_probe_(http_probe), told_(std::move(told)) {}

void HealthMonitor::start() {
  const metrics::SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
}

void HealthMonitor::stop() {
  if (!thread_.joinable()) return;
  loop_.post([this] {
    upstreams_.clear();  // now: they tell
    loop_.wheel().stop();
    loop_.finish();
  });
  thread_.join();
}

void HealthMonitor::run() {
  ::pthread_setname_np(::pthread_self(), "health");
  while (!loop_.finished()) {
    try {
      loop_.run();
    } catch (const std::exception& error) {  // memory ran out for one of them; the others are watched on
      metrics::log().error("health: {}", error.what());
    }
  }
}

void HealthMonitor::watch(std::vector<WatchedUpstream> upstreams, Resolver::Known addresses) {
  loop_.post([this, upstreams = std::move(upstreams), addresses = std::move(addresses)] { take_over(upstreams, addresses); });
}

void HealthMonitor::set_addresses(const Resolver::Name& name, const std::shared_ptr<const Addresses>& addresses) {
  loop_.post([this, name, addresses] {
    for (const auto& [own, upstream] : upstreams_) upstream->set_addresses(name.first, name.second, addresses);
  });
}

void HealthMonitor::take_over(const std::vector<WatchedUpstream>& upstreams, const Resolver::Known& addresses) {
  std::map<std::string, std::unique_ptr<UpstreamHealth>> before = std::move(upstreams_);
  upstreams_.clear();
  for (const WatchedUpstream& watched : upstreams) {
    try {
      std::unique_ptr<UpstreamHealth> now = renewed(watched, before[watched.settings.name]);
      for (const auto& [name, known] : addresses) now->set_addresses(name.first, name.second, known);
      upstreams_.insert_or_assign(watched.settings.name, std::move(now));
    } catch (const std::exception& error) {  // memory ran out
      metrics::log().error("upstream {}: its health is not watched until the next reload: {}", watched.settings.name, error.what());
    }
  }
  for (const auto& [name, gone] : before) {
    if (gone && !upstreams_.contains(name)) gone->retire();
  }
}

// `known`: of the configuration before, or null.
std::unique_ptr<UpstreamHealth> HealthMonitor::renewed(const WatchedUpstream& watched, std::unique_ptr<UpstreamHealth>& known) {
  if (known && known->settings() == watched.settings && watched.tls_unchanged) return std::move(known);
  const metrics::HealthMetrics metrics(registry_, watched.settings.name);
  auto now = std::make_unique<UpstreamHealth>(io_, watched, metrics, told_, known.get());
  now->start_checks(http_probe_);
  return now;
}

void HealthMonitor::expect_child(std::function<void()> ready) {
  loop_.post([this, ready = std::move(ready)] {
    loop_.expect_shared_descriptors();
    ready();
  });
}

void HealthMonitor::failing(const std::shared_ptr<EndpointState>& state, std::string_view reason) {
  loop_.post([this, state, reason] {
    for (const auto& [name, upstream] : upstreams_) upstream->failing(state.get(), reason);
  });
}

}  // namespace sluice::upstream
