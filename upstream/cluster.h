// One upstream as one worker sees it: its endpoints, its balancer, and a pool per endpoint. One worker's thread.
#pragma once

#include "config/upstream_config.h"
#include "metrics/upstream_metrics.h"
#include "tls/client_context.h"
#include "upstream/connection_pool.h"
#include "upstream/connector.h"
#include "upstream/endpoint_registry.h"
#include "upstream/load_balancer.h"
#include "upstream/outlier.h"
#include "upstream/retry_budget.h"
#include "upstream/slow_start.h"

namespace sluice::upstream {

// An endpoint that was chosen, counted as in flight while this lives.
struct Picked {
  std::size_t index = 0;
  Endpoint* endpoint = nullptr;
  InFlight in_flight;
  unsigned departures = 0;  // of the endpoint by then
  // Whether the tunnels of the endpoint were told to leave meanwhile.
  bool endpoint_left() const noexcept { return endpoint->departures != departures; }
};

class Cluster {
 public:
  Cluster(tls::WorkerIo& io, const config::Upstream& settings, EndpointRegistry& registry,
          std::shared_ptr<const tls::ClientContext> tls_context, metrics::UpstreamMetrics& metrics,
          FailingEndpoint failing = nullptr);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Among the endpoints that are in, or among all when none is. Nothing: there are no endpoints.
  std::optional<Picked> pick(PickHints hints);

  // Whether retries.budget has room for another attempt, which is taken. Counts a refusal.
  bool take_retry();

  // How attempts ended, for outlier ejection. An answer ends a row of failures, unless retries.on names its status.
  void endpoint_answered(std::size_t endpoint, unsigned status) {
    if (settings_.retries.repeats(status)) return endpoint_failed(endpoint, text_of(status));
    std::atomic<std::uint32_t>& failures = endpoints_[endpoint].state->failures;
    if (failures.load(std::memory_order_relaxed) != 0) failures.store(0, std::memory_order_relaxed);
  }
  // `reused`: over a kept connection.
  void attempt_failed(std::size_t endpoint, const Failure& failure, bool reused);
  // From the HealthMonitor, by way of the worker.
  void health_changed(const HealthChange& change);

  // A connection that was kept after an earlier request. Not for a WebSocket, which never shares.
  std::optional<Connection> take_idle(std::size_t endpoint, std::string_view opening = {}) {
    return pools_[endpoint]->take(opening);
  }
  // A new one, which begins with `opening`.
  Awaitable<Result<Connection>> connect(std::size_t endpoint, config::OptionalDuration connect_timeout,
                                        tls::Cancellation& cancellation, std::string opening = {});
  void release(std::size_t endpoint, Connection connection) { pools_[endpoint]->put(std::move(connection)); }

  // From the resolver: new addresses for every endpoint of that host and port.
  void set_addresses(const std::string& host, std::uint16_t port, const std::shared_ptr<const Addresses>& addresses);
  // Closes what is idle, for good.
  void drain();

  // Its endpoint with this state; null: none has it.
  const config::Endpoint* endpoint_of(const void* state) const noexcept;

  const config::Upstream& settings() const noexcept { return settings_; }
  metrics::UpstreamMetrics& metrics() noexcept { return metrics_; }

 private:
  std::size_t choose(const PickHints& hints);
  std::size_t spare_newcomers(std::size_t first, PickHints hints);
  static std::string_view text_of(unsigned status) noexcept;
  void endpoint_failed(std::size_t endpoint, std::string_view reason);

  tls::WorkerIo& io_;
  const config::Upstream settings_;
  std::shared_ptr<const tls::ClientContext> tls_context_;
  metrics::UpstreamMetrics& metrics_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::unique_ptr<ConnectionPool>> pools_;  // parallel to endpoints_
  std::unique_ptr<LoadBalancer> balancer_;
  SlowStart slow_start_;
  FailingEndpoint failing_;
  RetryBudget retries_;
};

}  // namespace sluice::upstream
