// One upstream as one worker sees it: its endpoints, its balancer, and a pool per endpoint. One worker's thread.
#pragma once

#include "config/upstream_config.h"
#include "metrics/upstream_metrics.h"
#include "tls/client_context.h"
#include "upstream/connection_pool.h"
#include "upstream/connect_time.h"
#include "upstream/connector.h"
#include "upstream/endpoint_registry.h"
#include "upstream/load_balancer.h"
#include "upstream/outlier.h"
#include "upstream/place.h"
#include "upstream/retry_budget.h"
#include "upstream/shared_connection.h"
#include "upstream/slow_start.h"

namespace sluice::upstream {

// Told by a worker's thread when it finds an endpoint full while other workers keep idle connections to it: each closes one.
using RoomWanted = std::function<void(const std::shared_ptr<EndpointState>&)>;

// What an attempt needs of the endpoint that is picked for it.
struct Need {
  bool fresh = false;           // no connection that was kept after an earlier request; one that others share may be had
  bool tunnel = false;          // it is for a WebSocket: if it is shared, it must take them
  bool repeat = false;          // another attempt came before
  std::string_view opening = {};  // what its connection begins with
};

// An endpoint that was chosen, counted as in flight while this lives, with its places among what circuit_breaker bounds.
struct Picked {
  std::size_t index = 0;
  Endpoint* endpoint = nullptr;
  InFlight in_flight;
  unsigned departures = 0;   // of the endpoint by then
  Connection connection = {};  // a kept one, or without a stream: it has a place, and Cluster::connect() opens it
  std::shared_ptr<SharedConnection> shared = {};  // in its place: one with room for another exchange
  bool http1 = false;                             // the connection is to speak HTTP/1.1
  bool tunnel = false;                            // as in Need
  bool waits = false;                             // for one to share, that is being opened: none has a place for this alone
  Place pending = {};          // until there is one
  ConnectTime time = {};       // of a connection that is opened for it
  Place repeat = {};           // of a repeated attempt, until it has an answer
  // Whether the tunnels of the endpoint were told to leave meanwhile.
  bool endpoint_left() const noexcept { return endpoint->departures != departures; }
};

class Cluster {
 public:
  Cluster(tls::WorkerIo& io, const config::Upstream& settings, EndpointRegistry& registry,
          std::shared_ptr<const tls::ClientContext> tls_context, metrics::UpstreamMetrics& metrics,
          FailingEndpoint failing = nullptr, RoomWanted room_wanted = nullptr);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Among the endpoints that are in, or among all when none is. One that has reached a bound of circuit_breaker is passed
  // over, as is for a WebSocket one that speaks HTTP/2 alone and takes none. Fails when there are no endpoints, or all are full: for an operator, the detail names the bound.
  Result<Picked> pick(PickHints hints, const Need& need = {});

  // For another connection to the endpoint of `picked`, after one that was of no use. Fails when the endpoint is full, or
  // has shown meanwhile that it has no way for a WebSocket.
  Failure pick_again(Picked& picked, const Need& need);

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
  // From the HealthMonitor, by way of the worker. False: it is no endpoint of this.
  bool health_changed(const HealthChange& change);

  // Opens the connection of `picked`, which has none yet, or waits for one to share. Each may take the time: whoever has waited in vain is
  // not to open one that ends before others, who wait for it, can use it. When that fails, its places are given back. The
  // caller shares one that speaks HTTP/2; if it is for a WebSocket, `pending` is held on, until it is known whether that one takes it.
  Awaitable<Failure> connect(Picked& picked, config::OptionalDuration connect_timeout, tls::Cancellation& cancellation);
  void release(std::size_t endpoint, Connection connection) { pools_[endpoint]->put(std::move(connection)); }
  void share(std::size_t endpoint, std::shared_ptr<SharedConnection> connection) { pools_[endpoint]->share(std::move(connection)); }
  // Whether HTTP/2 may be spoken to any endpoint.
  bool may_speak_h2() const noexcept { return may_speak_h2_; }
  // Whether requests to it go over HTTP/2, as far as is known: then any of them may come back as not looked at.
  bool speaks_h2(std::size_t endpoint) const noexcept { return endpoints_[endpoint].speaks_h2; }
  // It has said, on a connection that may be there yet, that it takes no WebSockets over HTTP/2: for a minute they go over HTTP/1.1.
  void takes_no_tunnels(std::size_t endpoint) noexcept { endpoints_[endpoint].no_tunnels_until = Clock::now() + kTunnelsAskedAgain; }
  // The same, where no connection that the pool has says that it does: the one that said so need not be there.
  void heard_no_tunnels(std::size_t endpoint) noexcept {
    if (pools_[endpoint]->takes_tunnels() != true) takes_no_tunnels(endpoint);
  }
  // Nor can they go over HTTP/1.1.
  bool has_no_way_for_tunnels(std::size_t endpoint) noexcept;
  static Failure no_way_for_tunnels();

  // Another worker needs room at the endpoint.
  void give_room(const EndpointState* state);

  // From the resolver: new addresses for every endpoint of that host and port.
  void set_addresses(const std::string& host, std::uint16_t port, const std::shared_ptr<const Addresses>& addresses);
  // Takes the place of `before`, the upstream's cluster until now: goes on with what it has saved up for retries, and with its
  // connections to endpoints that are reached the same way. Its idle connections to the others are closed.
  // `same_tls`: the files and settings are those of before.
  void take_over(Cluster& before, bool same_tls);
  const std::shared_ptr<const tls::ClientContext>& tls_context() const noexcept { return tls_context_; }
  // Closes what is idle, for good.
  void drain();

  // Its endpoint with this state; null: none has it.
  const config::Endpoint* endpoint_of(const void* state) const noexcept;

  std::span<const Endpoint> endpoints() const noexcept { return endpoints_; }
  const config::Upstream& settings() const noexcept { return settings_; }
  metrics::UpstreamMetrics& metrics() noexcept { return metrics_; }

 private:
  static constexpr std::chrono::seconds kTunnelsAskedAgain{60};

  std::size_t choose(PickHints hints);
  std::size_t choose_among(const PickHints& hints);
  std::size_t spare_newcomers(std::size_t first, PickHints hints);
  std::optional<Bound> reserve(Picked& picked, const Need& need);
  bool take_connection_place(Picked& picked);
  bool refuses_tunnels(std::size_t endpoint) noexcept;
  bool may_be_shared(const Picked& picked) const noexcept;
  Awaitable<Failure> wait_shared(Picked& picked, config::OptionalDuration most, tls::Cancellation& cancellation);
  SharedNeed shared_need(const Picked& picked, std::string_view opening) const noexcept;
  Awaitable<Failure> open(Picked& picked, config::OptionalDuration connect_timeout, tls::Cancellation& cancellation);
  tls::OfferedProtocols offered(const Picked& picked) const noexcept;
  Failure agree(Picked& picked) const;
  Failure full(Bound bound) const;
  static std::string_view text_of(unsigned status) noexcept;
  void endpoint_failed(std::size_t endpoint, std::string_view reason);

  tls::WorkerIo& io_;
  const config::Upstream settings_;
  const bool may_speak_h2_;
  std::shared_ptr<const tls::ClientContext> tls_context_;
  metrics::UpstreamMetrics& metrics_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::shared_ptr<ConnectionPool>> pools_;  // parallel to endpoints_; the cluster that takes this one's place may share them
  std::unique_ptr<LoadBalancer> balancer_;
  SlowStart slow_start_;
  FailingEndpoint failing_;
  RoomWanted room_wanted_;
  RetryBudget retries_;
};

}  // namespace sluice::upstream
