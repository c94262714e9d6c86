#include "upstream/cluster.h"

namespace sluice::upstream {

Cluster::Cluster(tls::WorkerIo& io, const config::Upstream& settings, EndpointRegistry& registry,
                 std::shared_ptr<const tls::ClientContext> tls_context, metrics::UpstreamMetrics& metrics)
    : io_(io), settings_(settings), tls_context_(std::move(tls_context)), metrics_(metrics) {
  for (const config::Endpoint& endpoint : settings_.endpoints) {
    std::shared_ptr<EndpointState> state = registry.state_of(settings_.name, endpoint);
    pools_.push_back(std::make_unique<ConnectionPool>(io, state, settings_.pool, metrics));
    endpoints_.push_back({endpoint, std::move(state), nullptr, 0});
  }
  balancer_ = make_load_balancer(settings_.balance, endpoints_);
}

std::optional<Picked> Cluster::pick(const PickHints& hints) {
  std::size_t index = balancer_->pick(endpoints_, hints);
  if (index == LoadBalancer::kNone) index = balancer_->pick(endpoints_, {{}, hints.hash});
  if (index == LoadBalancer::kNone) return std::nullopt;
  Endpoint& endpoint = endpoints_[index];
  return Picked{index, &endpoint, InFlight(endpoint.state)};
}

Awaitable<Result<Connection>> Cluster::connect(std::size_t endpoint, config::OptionalDuration connect_timeout,
                                               tls::Cancellation& cancellation, std::string opening) {
  metrics_.pool_misses.add();
  const Clock::time_point start = Clock::now();
  Result<tls::StreamPtr> stream =
      co_await upstream::connect(io_, endpoints_[endpoint], tls_context_.get(), connect_timeout, cancellation, opening);
  if (!stream) co_return std::move(stream.failure());
  Connection connection;
  connection.created = Clock::now();
  metrics_.connect_seconds.observe(std::chrono::duration<double>(connection.created - start).count());
  connection.stream = std::move(*stream);
  connection.open = metrics::GaugeHold(metrics_.connections_open);
  connection.opening = std::move(opening);
  co_return Result<Connection>(std::move(connection));
}

void Cluster::set_addresses(const std::string& host, std::uint16_t port,
                            const std::shared_ptr<const Addresses>& addresses) {
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.settings.host == host && endpoint.settings.port == port) endpoint.addresses = addresses;
  }
}

bool Cluster::has_endpoint(const void* state) const noexcept {
  return std::any_of(endpoints_.begin(), endpoints_.end(),
                     [state](const Endpoint& endpoint) { return endpoint.state.get() == state; });
}

void Cluster::drain() {
  for (const std::unique_ptr<ConnectionPool>& pool : pools_) pool->close();
}

}  // namespace sluice::upstream
