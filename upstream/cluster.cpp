#include "upstream/cluster.h"

namespace sluice::upstream {

Cluster::Cluster(tls::WorkerIo& io, const config::Upstream& settings, EndpointRegistry& registry,
                 std::shared_ptr<const tls::ClientContext> tls_context, metrics::UpstreamMetrics& metrics,
                 FailingEndpoint failing)
    : io_(io),
      settings_(settings),
      tls_context_(std::move(tls_context)),
      metrics_(metrics),
      // By hash everything has its place, and would not find it again if it went elsewhere meanwhile.
      slow_start_(settings_.balance == config::Balance::hash ? std::nullopt : settings_.slow_start),
      failing_(std::move(failing)),
      retries_(settings_.retries.budget) {
  std::vector<std::shared_ptr<EndpointState>> states = registry.states_of(settings_);
  for (std::size_t i = 0; i < states.size(); ++i) {
    const config::Endpoint& endpoint = settings_.endpoints[i];
    std::shared_ptr<EndpointState>& state = states[i];
    pools_.push_back(std::make_unique<ConnectionPool>(io, state, settings_.pool, metrics));
    const bool out = state->out.load();
    endpoints_.push_back({endpoint, std::move(state), nullptr, 0, out, 0});
  }
  balancer_ = make_load_balancer(settings_.balance, endpoints_);
  slow_start_.look_at(endpoints_);
}

std::size_t Cluster::choose(const PickHints& hints) {
  const bool stays = hints.preferred && *hints.preferred < endpoints_.size() && is_eligible(endpoints_, *hints.preferred, hints);
  if (stays) return *hints.preferred;
  const std::size_t index = balancer_->pick(endpoints_, hints);
  return slow_start_.active() && index != LoadBalancer::kNone ? spare_newcomers(index, hints) : index;
}

// When all are spared, nobody is.
std::size_t Cluster::spare_newcomers(std::size_t first, PickHints hints) {
  const Clock::time_point now = Clock::now();
  slow_start_.look_at(endpoints_, now);
  std::vector<std::size_t> excluded(hints.excluded.begin(), hints.excluded.end());
  for (std::size_t index = first; index != LoadBalancer::kNone; index = balancer_->pick(endpoints_, hints)) {
    if (!slow_start_.spares(endpoints_[index], now)) return index;
    excluded.push_back(index);
    hints.excluded = excluded;
  }
  return first;
}

// Those that are out get nothing while another one is in, not even the repetition of a request that has failed there: most
// often it was a kept connection that had ended, and a new one is good.
std::optional<Picked> Cluster::pick(PickHints hints) {
  const Excluded tried = hints.excluded;
  if (tried.empty()) retries_.note_request();
  std::size_t index = LoadBalancer::kNone;
  for (const bool panic : {false, true}) {
    hints.panic = panic;
    hints.excluded = tried;
    index = choose(hints);
    hints.excluded = {};
    if (index == LoadBalancer::kNone && !tried.empty()) index = choose(hints);
    if (index != LoadBalancer::kNone) break;
  }
  if (index == LoadBalancer::kNone) return std::nullopt;
  Endpoint& endpoint = endpoints_[index];
  return Picked{index, &endpoint, InFlight(endpoint.state), endpoint.departures};
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

bool Cluster::take_retry() {
  std::uint64_t under_way = 0;
  for (const Endpoint& endpoint : endpoints_) under_way += endpoint.state->in_flight.load(std::memory_order_relaxed);
  if (retries_.take(under_way, Clock::now())) return true;
  metrics_.retries_refused.add();
  return false;
}

std::string_view Cluster::text_of(unsigned status) noexcept {
  return status == 502 ? "status 502" : status == 503 ? "status 503" : "status 504";
}

void Cluster::attempt_failed(std::size_t endpoint, const Failure& failure, bool reused) {
  if (!failure.ours && speaks_against_endpoint(failure.code, reused)) endpoint_failed(endpoint, name_of(failure.code));
}

void Cluster::endpoint_failed(std::size_t endpoint, std::string_view reason) {
  if (!settings_.outlier.consecutive_failures || endpoints_.size() < 2) return;
  const std::shared_ptr<EndpointState>& state = endpoints_[endpoint].state;
  const std::uint64_t in_a_row = state->failures.fetch_add(1, std::memory_order_relaxed) + std::uint64_t{1};
  // Told again and again: the count outlives configurations, and may have been beyond the limit when it came.
  if (in_a_row % *settings_.outlier.consecutive_failures == 0 && failing_) failing_(state, reason);
}

void Cluster::health_changed(const HealthChange& change) {
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.state != change.state) continue;
    endpoint.out = change.out;
    if (change.tunnels_leave) ++endpoint.departures;
  }
  if (!change.out) slow_start_.look_at(endpoints_);
}

void Cluster::set_addresses(const std::string& host, std::uint16_t port,
                            const std::shared_ptr<const Addresses>& addresses) {
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.settings.host == host && endpoint.settings.port == port) endpoint.addresses = addresses;
  }
}

const config::Endpoint* Cluster::endpoint_of(const void* state) const noexcept {
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.state.get() == state) return &endpoint.settings;
  }
  return nullptr;
}

void Cluster::drain() {
  for (const std::unique_ptr<ConnectionPool>& pool : pools_) pool->close();
}

}  // namespace sluice::upstream
