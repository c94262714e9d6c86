// One upstream as one worker sees it: its endpoints, its balancer, and a pool per endpoint. One worker's thread.
#pragma once

#include "config/upstream_config.h"
#include "metrics/upstream_metrics.h"
#include "tls/client_context.h"
#include "upstream/connection_pool.h"
#include "upstream/connector.h"
#include "upstream/endpoint_registry.h"
#include "upstream/load_balancer.h"

namespace sluice::upstream {

// An endpoint that was chosen, counted as in flight while this lives.
struct Picked {
  std::size_t index = 0;
  Endpoint* endpoint = nullptr;
  InFlight in_flight;
};

class Cluster {
 public:
  Cluster(tls::WorkerIo& io, const config::Upstream& settings, EndpointRegistry& registry,
          std::shared_ptr<const tls::ClientContext> tls_context, metrics::UpstreamMetrics& metrics);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  std::optional<Picked> pick(const PickHints& hints);

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

  // Whether one of its endpoints has this state.
  bool has_endpoint(const void* state) const noexcept;

  const config::Upstream& settings() const noexcept { return settings_; }
  metrics::UpstreamMetrics& metrics() noexcept { return metrics_; }

 private:
  tls::WorkerIo& io_;
  const config::Upstream settings_;
  std::shared_ptr<const tls::ClientContext> tls_context_;
  metrics::UpstreamMetrics& metrics_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::unique_ptr<ConnectionPool>> pools_;  // parallel to endpoints_
  std::unique_ptr<LoadBalancer> balancer_;
};

}  // namespace sluice::upstream
