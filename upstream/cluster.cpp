#include "upstream/cluster.h"

#include <algorithm>

namespace sluice::upstream {

Cluster::Cluster(tls::WorkerIo& io, const config::Upstream& settings, EndpointRegistry& registry,
                 std::shared_ptr<const tls::ClientContext> tls_context, metrics::UpstreamMetrics& metrics,
                 FailingEndpoint failing, RoomWanted room_wanted)
    : io_(io),
      settings_(settings),
      may_speak_h2_(settings.protocol == config::UpstreamProtocol::h2 ||
                    (settings.protocol == config::UpstreamProtocol::negotiated && settings.uses_https())),
      tls_context_(std::move(tls_context)),
      metrics_(metrics),
      // By hash everything has its place, and would not find it again if it went elsewhere meanwhile.
      slow_start_(settings_.balance == config::Balance::hash ? std::nullopt : settings_.slow_start),
      failing_(std::move(failing)),
      room_wanted_(std::move(room_wanted)),
      retries_(settings_.retries.budget) {
  std::vector<std::shared_ptr<EndpointState>> states = registry.states_of(settings_);
  for (std::size_t i = 0; i < states.size(); ++i) {
    const config::Endpoint& endpoint = settings_.endpoints[i];
    std::shared_ptr<EndpointState>& state = states[i];
    pools_.push_back(std::make_shared<ConnectionPool>(io, state, settings_.pool, metrics));
    const bool out = state->out.load();
    const bool h2 = settings_.protocol == config::UpstreamProtocol::h2;
    endpoints_.push_back({.settings = endpoint,
                          .state = std::move(state),
                          .addresses = nullptr,
                          .out = out,
                          .speaks_h2 = h2,
                          .agreed = h2 || !endpoint.https,
                          .resumes_tls = true});
  }
  balancer_ = make_load_balancer(settings_.balance, endpoints_);
  slow_start_.look_at(endpoints_);
}

std::size_t Cluster::choose_among(const PickHints& hints) {
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

// What is kept here is used, or closed for its place, before an endpoint counts as full.
std::optional<Bound> Cluster::reserve(Picked& picked, const Need& need) {
  const std::shared_ptr<EndpointState>& state = picked.endpoint->state;
  const config::CircuitBreaker& most = settings_.circuit_breaker;
  const auto place = [&state](Place::Count& count, config::OptionalCount bound) {
    return Place::take(std::shared_ptr<Place::Count>(state, &count), bound);
  };
  if (need.repeat && !(picked.repeat = place(state->repeats, settings_.most_repeats()))) return Bound::repeats;
  ConnectionPool& pool = *pools_[picked.index];
  picked.tunnel = need.tunnel;
  picked.http1 = !may_speak_h2_ || (need.tunnel && refuses_tunnels(picked.index));
  if (!picked.http1 && (picked.shared = pool.find_shared(shared_need(picked, need.opening)))) return std::nullopt;
  if (!need.fresh) {
    if (std::optional<Connection> idle = pool.take(need.opening)) {
      picked.connection = std::move(*idle);
      return std::nullopt;
    }
  }
  if (!(picked.pending = place(state->pending, most.max_pending))) return Bound::pending;
  picked.connection.opening = need.opening;
  picked.waits = may_be_shared(picked) && pool.is_worth_waiting(shared_need(picked, {}));
  if (picked.waits || take_connection_place(picked)) return std::nullopt;
  return Bound::connections;
}

Failure Cluster::full(Bound bound) const {
  const config::CircuitBreaker& most = settings_.circuit_breaker;
  const config::OptionalCount counts[] = {most.max_connections, most.max_pending, settings_.most_repeats()};
  constexpr const char* kKeys[] = {"max_connections", "max_pending", "max_retries"};
  const auto index = static_cast<std::size_t>(bound);
  return {FailureCode::upstream_full, Retryable::no,
          std::string("the endpoints have reached circuit_breaker.") + kKeys[index] + " of " + settings_.name + ", " +
              std::to_string(counts[index].value_or(0)) + " each"};
}

Result<Picked> Cluster::pick(PickHints hints, const Need& need) {
  if (hints.excluded.empty()) retries_.note_request();
  std::vector<std::size_t> full_ones;  // without memory as long as none is
  std::optional<Bound> bound;
  bool no_way = false;
  for (;;) {
    hints.full = full_ones;
    const std::size_t index = choose(hints);
    if (index == LoadBalancer::kNone) break;
    if (need.tunnel && has_no_way_for_tunnels(index)) {
      full_ones.push_back(index);
      no_way = true;
      continue;
    }
    Endpoint& endpoint = endpoints_[index];
    Picked picked{index, &endpoint, InFlight(endpoint.state), endpoint.departures};
    bound = reserve(picked, need);
    if (!bound) return Result<Picked>(std::move(picked));
    metrics_.count_full(static_cast<std::size_t>(*bound));
    full_ones.push_back(index);
  }
  if (bound) return full(*bound);
  if (no_way) return no_way_for_tunnels();
  return Failure{FailureCode::no_endpoint, Retryable::no, {}};
}

Failure Cluster::pick_again(Picked& picked, const Need& need) {
  picked.shared = nullptr;
  picked.connection = {};
  picked.pending.give_back();
  if (need.tunnel && has_no_way_for_tunnels(picked.index)) return no_way_for_tunnels();
  const std::optional<Bound> bound = reserve(picked, need);
  if (!bound) return {};
  metrics_.count_full(static_cast<std::size_t>(*bound));
  return full(*bound);
}

// Those that are out get nothing while another one is in, not even the repetition of a request that has failed there: most
// often it was a kept connection that had ended, and a new one is good. Nor when those that are in are full.
std::size_t Cluster::choose(PickHints hints) {
  const Excluded tried = hints.excluded;
  std::size_t index = LoadBalancer::kNone;
  for (const bool panic : {false, true}) {
    if (panic && std::any_of(endpoints_.begin(), endpoints_.end(), [](const Endpoint& one) { return !one.out; })) break;
    hints.panic = panic;
    hints.excluded = tried;
    index = choose_among(hints);
    hints.excluded = {};
    if (index == LoadBalancer::kNone && !tried.empty()) index = choose_among(hints);
    if (index != LoadBalancer::kNone) break;
  }
  return index;
}

bool Cluster::take_retry() {
  std::uint64_t under_way = 0;  // that may fail yet: a tunnel is not repeated
  for (const Endpoint& endpoint : endpoints_) {
    const std::uint32_t all = endpoint.state->in_flight.load(std::memory_order_relaxed);
    under_way += all - std::min(all, endpoint.state->tunnels.load(std::memory_order_relaxed));
  }
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

bool Cluster::health_changed(const HealthChange& change) {
  bool concerned = false;
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.state != change.state) continue;
    concerned = true;
    endpoint.out = change.out;
    if (change.tunnels_leave) ++endpoint.departures;
  }
  if (!change.out) slow_start_.look_at(endpoints_);
  return concerned;
}

void Cluster::give_room(const EndpointState* state) {
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    if (endpoints_[i].state.get() == state) pools_[i]->take_place();
  }
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

void Cluster::take_over(Cluster& before, bool same_tls) {
  if (before.settings_.retries.budget == settings_.retries.budget) retries_.go_on(before.retries_);
  const auto is_same = [&](const config::Endpoint& now, const config::Endpoint& then) {
    return now.url == then.url && (!now.https || (same_tls && now.name() == then.name()));
  };
  for (std::size_t then = 0; then < before.endpoints_.size(); ++then) {
    bool taken = false;
    const bool same_use = before.settings_.pool == settings_.pool && before.settings_.protocol == settings_.protocol;
    for (std::size_t now = 0; now < endpoints_.size() && same_use; ++now) {
      if (!is_same(endpoints_[now].settings, before.endpoints_[then].settings)) continue;
      pools_[now] = before.pools_[then];
      endpoints_[now].speaks_h2 = before.endpoints_[then].speaks_h2;
      endpoints_[now].agreed = before.endpoints_[then].agreed;
      endpoints_[now].no_tunnels_until = before.endpoints_[then].no_tunnels_until;
      taken = true;
    }
    if (taken) continue;
    before.pools_[then]->close();
    const config::Endpoint& gone = before.endpoints_[then].settings;
    if (gone.https && same_tls) tls_context_->forget(session_key(gone));
  }
}

void Cluster::drain() {
  for (const std::shared_ptr<ConnectionPool>& pool : pools_) pool->close();
}

}  // namespace sluice::upstream
