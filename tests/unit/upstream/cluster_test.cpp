#include "upstream/cluster.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/support/io_harness.h"

namespace sluice::upstream {
namespace {

using namespace std::chrono_literals;
using test::IoHarness;
using test::Peer;
using test::TcpListener;

config::Endpoint endpoint(std::uint16_t port, unsigned weight = 1) {
  config::Endpoint settings;
  settings.url = "http://127.0.0.1:" + std::to_string(port);
  settings.host = "127.0.0.1";
  settings.port = port;
  settings.weight = weight;
  return settings;
}

class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest() { settings_.name = "backend"; }

  Cluster make_cluster() { return Cluster(harness_.io, settings_, registry_, nullptr, metrics_); }
  static void resolve(Cluster& cluster, std::uint16_t port) {
    cluster.set_addresses("127.0.0.1", port, std::make_shared<const Addresses>(*loopback(port)));
  }
  static std::optional<Addresses> loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return Addresses{SocketAddress(&address, sizeof address)};
  }
  Result<Connection> acquire(Cluster& cluster, bool fresh = false) {
    Result<Picked> picked = cluster.pick({}, {.fresh = fresh});
    if (!picked) return picked.failure();
    if (!picked->connection.stream) {
      Failure failure = harness_.await(cluster.connect(*picked, 5s, cancellation_));
      if (failure.code != FailureCode::none) return failure;
    }
    return Result<Connection>(std::move(picked->connection));
  }

  // At this one of two endpoints.
  Result<Connection> acquire_at(Cluster& cluster, std::size_t index) {
    const std::vector<std::size_t> other{1 - index};
    Result<Picked> picked = cluster.pick({other, {}}, {.fresh = true});
    if (!picked) return picked.failure();
    Failure failure = harness_.await(cluster.connect(*picked, 5s, cancellation_));
    if (failure.code != FailureCode::none) return failure;
    return Result<Connection>(std::move(picked->connection));
  }
  // Whether there is a kept connection to it, which is used up then.
  bool takes_idle(Cluster& cluster, std::size_t index) {
    const std::vector<std::size_t> other{1 - index};
    Result<Picked> picked = cluster.pick({other, {}});
    return picked && picked->index == index && picked->connection.stream != nullptr;
  }

  std::uint64_t full_count() {
    return harness_.registry
        .counter(0, "sluice_upstream_full_total",
                 "Times that an endpoint was passed over since it had reached a bound of circuit_breaker, by upstream and bound.",
                 {{"upstream", "backend"}, {"bound", "max_connections"}})
        .value();
  }

  IoHarness harness_;
  EndpointRegistry registry_;
  config::Upstream settings_;
  metrics::UpstreamMetrics metrics_{harness_.registry, 0, "backend"};
  tls::Cancellation cancellation_;
};

TEST_F(ClusterTest, WithoutEndpointsNothingIsPicked) {
  for (const auto balance : {config::Balance::round_robin, config::Balance::least_connections,
                             config::Balance::random_two_choices, config::Balance::hash}) {
    settings_.balance = balance;
    Cluster cluster = make_cluster();
    EXPECT_FALSE(cluster.pick({}));
    EXPECT_FALSE(cluster.pick({.excluded = {}, .hash = 7}));
  }
}

TEST_F(ClusterTest, APickCountsAsInFlightWhileItLives) {
  settings_.endpoints = {endpoint(1)};
  Cluster cluster = make_cluster();
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[0]);
  {
    Result<Picked> picked = cluster.pick({});
    ASSERT_TRUE(picked);
    EXPECT_EQ(picked->index, 0u);
    EXPECT_EQ(picked->endpoint->settings.port, 1);
    EXPECT_EQ(state->in_flight, 1u);
  }
  EXPECT_EQ(state->in_flight, 0u);
}

TEST_F(ClusterTest, ExcludedEndpointsAreAvoidedUnlessAllAre) {
  settings_.endpoints = {endpoint(1), endpoint(2), endpoint(3)};
  for (const auto balance : {config::Balance::round_robin, config::Balance::least_connections,
                             config::Balance::random_two_choices, config::Balance::hash}) {
    settings_.balance = balance;
    Cluster cluster = make_cluster();
    const std::vector<std::size_t> tried{0, 2};
    for (int i = 0; i < 5; ++i) EXPECT_EQ(cluster.pick({tried, {}})->index, 1u);
    const std::vector<std::size_t> all{0, 1, 2};
    EXPECT_TRUE(cluster.pick({all, {}}));
  }
}

TEST_F(ClusterTest, WhatIsOutGetsNothingWhileAnotherOneIsIn) {
  settings_.endpoints = {endpoint(1), endpoint(2), endpoint(3)};
  Cluster cluster = make_cluster();
  const auto set_out = [&](std::size_t index, bool out) {
    cluster.health_changed({registry_.state_of("backend", settings_.endpoints[index]), out, false});
  };
  set_out(0, true);
  set_out(2, true);
  const std::vector<std::size_t> tried{1};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(cluster.pick({})->index, 1u);
  EXPECT_EQ(cluster.pick({tried, {}})->index, 1u) << "not even another attempt";
  set_out(1, true);
  std::set<std::size_t> picked;
  for (int i = 0; i < 9; ++i) picked.insert(cluster.pick({})->index);
  EXPECT_EQ(picked.size(), 3u) << "all are out: all are tried";
  EXPECT_NE(cluster.pick({tried, {}})->index, 1u);
  set_out(0, false);
  EXPECT_EQ(cluster.pick({})->index, 0u);
}

TEST_F(ClusterTest, WhoWasPickedBeforeTheTunnelsLeftIsTold) {
  settings_.endpoints = {endpoint(1)};
  Cluster cluster = make_cluster();
  Result<Picked> before = cluster.pick({});
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[0]);
  cluster.health_changed({state, true, false});
  EXPECT_FALSE(before->endpoint_left());
  cluster.health_changed({state, true, true});
  EXPECT_TRUE(before->endpoint_left());
  EXPECT_FALSE(cluster.pick({})->endpoint_left()) << "in a panic";
}

TEST_F(ClusterTest, ANewClusterKnowsWhatIsOut) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[0]);
  state->out = true;
  Cluster cluster = make_cluster();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(cluster.pick({})->index, 1u);
}

TEST_F(ClusterTest, FailuresInARowAreToldOnceOverAllWorkers) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  settings_.outlier.consecutive_failures = 3;
  std::vector<std::string> told;
  const auto failing = [&](const std::shared_ptr<EndpointState>& state, std::string_view reason) {
    EXPECT_EQ(state, registry_.state_of("backend", settings_.endpoints[0]));
    told.emplace_back(reason);
  };
  Cluster one(harness_.io, settings_, registry_, nullptr, metrics_, failing);
  Cluster two(harness_.io, settings_, registry_, nullptr, metrics_, failing);
  const Failure refused{FailureCode::connect_refused, Retryable::always, {}};
  one.attempt_failed(0, refused, false);
  two.attempt_failed(0, refused, false);
  one.attempt_failed(1, refused, false);
  two.endpoint_answered(0, 503);
  one.attempt_failed(0, refused, false);
  two.attempt_failed(0, {FailureCode::reset, Retryable::if_idempotent, {}}, true);  // a kept connection: no failure of the endpoint
  two.attempt_failed(0, {FailureCode::client_left, Retryable::no, {}}, false);
  two.attempt_failed(0, {FailureCode::connect_failed, Retryable::always, {}, true}, false);  // for want of descriptors here
  two.attempt_failed(0, refused, false);
  EXPECT_THAT(told, ::testing::IsEmpty());
  one.attempt_failed(0, {FailureCode::reset, Retryable::if_idempotent, {}}, false);
  EXPECT_THAT(told, ::testing::ElementsAre("reset"));
  one.attempt_failed(0, refused, false);
  EXPECT_EQ(told.size(), 1u);
}

TEST_F(ClusterTest, AStatusThatIsRepeatedCountsAsAFailure) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  settings_.outlier.consecutive_failures = 2;
  settings_.retries.on_503 = true;
  std::vector<std::string> told;
  Cluster cluster(harness_.io, settings_, registry_, nullptr, metrics_,
                  [&](const auto&, std::string_view reason) { told.emplace_back(reason); });
  for (const unsigned status : {503, 502, 503, 200, 503}) cluster.endpoint_answered(0, status);
  EXPECT_THAT(told, ::testing::IsEmpty());
  cluster.endpoint_answered(0, 503);
  EXPECT_THAT(told, ::testing::ElementsAre("status 503"));
}

TEST_F(ClusterTest, OpenTunnelsAreNoReasonForMoreRetries) {
  settings_.endpoints = {endpoint(1)};
  Cluster cluster = make_cluster();
  for (int i = 0; i < 5000; ++i) cluster.pick({});
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[0]);
  state->in_flight = 2000;
  state->tunnels = 1990;
  unsigned allowed = 0;
  while (cluster.take_retry()) ++allowed;
  EXPECT_GE(allowed, RetryBudget::kFloor);
  EXPECT_LE(allowed, RetryBudget::kFloor + 2 * RetryBudget::kPerSecond);
  state->in_flight = state->tunnels = 0;
}

TEST_F(ClusterTest, RetriesAreAShareOfTheRequests) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  Cluster cluster = make_cluster();
  unsigned allowed = 0;
  while (cluster.take_retry()) ++allowed;
  EXPECT_GE(allowed, RetryBudget::kFloor);
  EXPECT_LE(allowed, RetryBudget::kFloor + 2 * RetryBudget::kPerSecond);
  EXPECT_EQ(metrics_.retries_refused.value(), 1u);
  const std::vector<std::size_t> tried{0};
  for (int i = 0; i < 10; ++i) {
    cluster.pick({});
    cluster.pick({tried, {}});
  }
  EXPECT_TRUE(cluster.take_retry());
  EXPECT_TRUE(cluster.take_retry()) << "20% of 10";
}

TEST_F(ClusterTest, ASingleEndpointIsNotToldOf) {
  settings_.endpoints = {endpoint(1)};
  settings_.outlier.consecutive_failures = 1;
  Cluster cluster(harness_.io, settings_, registry_, nullptr, metrics_, [](const auto&, std::string_view) { FAIL(); });
  cluster.attempt_failed(0, {FailureCode::connect_refused, Retryable::always, {}}, false);
}

TEST_F(ClusterTest, ThePreferredEndpointGoesBeforeTheBalanceUnlessItWasTried) {
  settings_.endpoints = {endpoint(1), endpoint(2), endpoint(3)};
  Cluster cluster = make_cluster();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(cluster.pick({.excluded = {}, .preferred = 2})->index, 2u);
  const std::vector<std::size_t> tried{2, 0};
  EXPECT_EQ(cluster.pick({.excluded = tried, .preferred = 2})->index, 1u);
  EXPECT_LT(cluster.pick({.excluded = {}, .preferred = 3})->index, 3u) << "there is no such endpoint";
}

TEST_F(ClusterTest, ThePreferredEndpointIsLeftWhileItIsOut) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  Cluster cluster = make_cluster();
  const auto set_out = [&](std::size_t index, bool out) {
    cluster.health_changed({registry_.state_of("backend", settings_.endpoints[index]), out, false});
  };
  set_out(0, true);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cluster.pick({.excluded = {}, .preferred = 0})->index, 1u);
  set_out(1, true);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cluster.pick({.excluded = {}, .preferred = 0})->index, 0u) << "in a panic it is as good as the others";
  set_out(0, false);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cluster.pick({.excluded = {}, .preferred = 0})->index, 0u);
}

TEST_F(ClusterTest, AnEndpointThatJoinedIsSparedByEveryPolicyButHash) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  settings_.slow_start = std::chrono::hours(1);
  for (const auto policy : {config::Balance::round_robin, config::Balance::least_connections,
                            config::Balance::random_two_choices, config::Balance::hash}) {
    settings_.balance = policy;
    Cluster cluster = make_cluster();
    const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[1]);
    const auto share_after = [&](std::chrono::minutes since) {
      state->joined_at = (Clock::now() - since).time_since_epoch().count();
      cluster.health_changed({state, false, false});
      int picked = 0;
      for (int i = 0; i < 4000; ++i) picked += cluster.pick({})->index == 1 ? 1 : 0;
      return picked / 4000.0;
    };
    const bool spares = policy != config::Balance::hash;
    // Between a tenth of a half and one against ten, by how a policy goes on when it was turned down; then 55 of a hundred.
    EXPECT_NEAR(share_after(std::chrono::minutes(0)), spares ? 0.07 : 0.5, 0.04);
    EXPECT_NEAR(share_after(std::chrono::minutes(30)), spares ? 0.315 : 0.5, 0.07);
    EXPECT_NEAR(share_after(std::chrono::minutes(60)), 0.5, 0.04);
    state->joined_at = 0;
  }
}

TEST_F(ClusterTest, ANewcomerIsNotSparedWhereThereIsNobodyElse) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  settings_.slow_start = std::chrono::hours(1);
  Cluster cluster = make_cluster();
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[1]);
  state->joined_at = Clock::now().time_since_epoch().count();
  cluster.health_changed({state, false, false});
  const std::vector<std::size_t> tried{0};
  for (int i = 0; i < 50; ++i) EXPECT_EQ(cluster.pick({tried, {}})->index, 1u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(cluster.pick({.excluded = {}, .preferred = 1})->index, 1u) << "a client that comes back";
  cluster.health_changed({registry_.state_of("backend", settings_.endpoints[0]), true, false});
  for (int i = 0; i < 50; ++i) EXPECT_EQ(cluster.pick({})->index, 1u);
}

TEST_F(ClusterTest, OnlyWhatComesToOthersHasJoined) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  const auto joined = [&](std::size_t index) { return registry_.state_of("backend", settings_.endpoints[index])->joined_at != 0; };
  Cluster first = make_cluster();
  EXPECT_FALSE(joined(0));
  EXPECT_FALSE(joined(1)) << "at the start all are equal";
  settings_.endpoints.push_back(endpoint(3));
  Cluster second = make_cluster();
  EXPECT_FALSE(joined(0));
  EXPECT_TRUE(joined(2));
  const auto when = registry_.state_of("backend", settings_.endpoints[2])->joined_at.load();
  Cluster of_another_worker = make_cluster();
  EXPECT_EQ(registry_.state_of("backend", settings_.endpoints[2])->joined_at, when);
}

// Two workers, or two configurations, see the same endpoint's state; another upstream's is its own.
TEST_F(ClusterTest, EndpointStateIsSharedByUpstreamAndUrl) {
  settings_.balance = config::Balance::least_connections;
  settings_.endpoints = {endpoint(1), endpoint(2)};
  Cluster one = make_cluster();
  Cluster two = make_cluster();
  Result<Picked> held = one.pick({});
  for (int i = 0; i < 3; ++i) EXPECT_NE(two.pick({})->index, held->index);
  EXPECT_NE(registry_.state_of("backend", endpoint(1)), registry_.state_of("other", endpoint(1)));
  EXPECT_EQ(registry_.state_of("backend", endpoint(1)), registry_.state_of("backend", endpoint(1, 7)));
}

TEST_F(ClusterTest, StateGoesWithItsLastUser) {
  std::weak_ptr<EndpointState> watched;
  {
    settings_.endpoints = {endpoint(1)};
    Cluster cluster = make_cluster();
    watched = registry_.state_of("backend", settings_.endpoints[0]);
    EXPECT_FALSE(watched.expired());
  }
  EXPECT_TRUE(watched.expired());
}

TEST_F(ClusterTest, AReleasedConnectionIsUsedAgainUnlessAFreshOneIsAskedFor) {
  TcpListener listener;
  settings_.endpoints = {endpoint(listener.port())};
  Cluster cluster = make_cluster();
  resolve(cluster, listener.port());
  Result<Connection> first = acquire(cluster);
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->reused);
  EXPECT_EQ(metrics_.connections_open.value(), 1);
  const tls::Stream* stream = first->stream.get();
  cluster.release(0, std::move(*first));
  Result<Connection> fresh = acquire(cluster, true);
  ASSERT_TRUE(fresh);
  EXPECT_NE(fresh->stream.get(), stream);
  Result<Connection> again = acquire(cluster);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->stream.get(), stream);
  EXPECT_TRUE(again->reused);
  EXPECT_EQ(metrics_.pool_hits.value(), 1u);
  EXPECT_EQ(metrics_.pool_misses.value(), 2u);
  EXPECT_EQ(metrics_.connections_open.value(), 2);
}

TEST_F(ClusterTest, AddressesGoToTheEndpointsOfThatHostAndPortOnly) {
  TcpListener listener;
  settings_.endpoints = {endpoint(listener.port())};
  Cluster cluster = make_cluster();
  cluster.set_addresses("127.0.0.1", static_cast<std::uint16_t>(listener.port() ^ 1),
                        std::make_shared<const Addresses>(*loopback(listener.port())));
  cluster.set_addresses("localhost", listener.port(),
                        std::make_shared<const Addresses>(*loopback(listener.port())));
  Result<Connection> failed = acquire(cluster);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.failure().code, FailureCode::resolve_failed);
  EXPECT_EQ(metrics_.connections_open.value(), 0);
  resolve(cluster, listener.port());
  EXPECT_TRUE(acquire(cluster));
}

TEST_F(ClusterTest, DrainClosesWhatIsIdle) {
  TcpListener listener;
  settings_.endpoints = {endpoint(listener.port())};
  Cluster cluster = make_cluster();
  resolve(cluster, listener.port());
  Result<Connection> connection = acquire(cluster);
  ASSERT_TRUE(connection);
  Peer peer = listener.accept();
  cluster.release(0, std::move(*connection));
  cluster.drain();
  EXPECT_TRUE(harness_.run_until([&] { return peer.ended(); }));
  EXPECT_EQ(metrics_.connections_open.value(), 0);
  EXPECT_EQ(registry_.state_of("backend", settings_.endpoints[0])->idle, 0u);
}

TEST_F(ClusterTest, AFullEndpointIsPassedOver) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  settings_.circuit_breaker.max_connections = 2;
  for (const auto balance : {config::Balance::round_robin, config::Balance::least_connections,
                             config::Balance::random_two_choices, config::Balance::hash}) {
    settings_.balance = balance;
    Cluster cluster = make_cluster();
    std::multiset<std::size_t> indices;
    std::vector<Result<Picked>> held;
    for (int i = 0; i < 4; ++i) {
      held.push_back(cluster.pick({{}, 7}));
      ASSERT_TRUE(held.back());
      indices.insert(held.back()->index);
    }
    EXPECT_EQ(indices, (std::multiset<std::size_t>{0, 0, 1, 1}));
    const std::uint64_t passed_over = full_count();
    Result<Picked> none = cluster.pick({{}, 7});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.failure().code, FailureCode::upstream_full);
    EXPECT_EQ(none.failure().detail, "the endpoints have reached circuit_breaker.max_connections of backend, 2 each");
    EXPECT_EQ(full_count() - passed_over, 2u);
    const std::size_t freed = held.back()->index;
    held.pop_back();
    EXPECT_EQ(cluster.pick({{}, 7})->index, freed);
  }
}

TEST_F(ClusterTest, FullEndpointsAreNoReasonToUseThoseThatAreOut) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  settings_.circuit_breaker.max_connections = 1;
  Cluster cluster = make_cluster();
  cluster.health_changed({.state = registry_.state_of("backend", settings_.endpoints[1]), .out = true});
  Result<Picked> held = cluster.pick({});
  EXPECT_EQ(held->index, 0u);
  Result<Picked> none = cluster.pick({});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.failure().code, FailureCode::upstream_full);
}

TEST_F(ClusterTest, AFullEndpointIsFullForAllWorkers) {
  settings_.endpoints = {endpoint(1)};
  settings_.circuit_breaker.max_connections = 1;
  Cluster one = make_cluster();
  Cluster two = make_cluster();
  {
    Result<Picked> held = one.pick({});
    EXPECT_TRUE(held);
    EXPECT_FALSE(two.pick({}));
  }
  EXPECT_TRUE(two.pick({}));
}

TEST_F(ClusterTest, AKeptConnectionGivesItsPlaceToAFreshOne) {
  TcpListener listener;
  settings_.endpoints = {endpoint(listener.port())};
  settings_.circuit_breaker.max_connections = 1;
  Cluster cluster = make_cluster();
  resolve(cluster, listener.port());
  Result<Connection> first = acquire(cluster);
  ASSERT_TRUE(first);
  Peer peer = listener.accept();
  EXPECT_FALSE(acquire(cluster)) << "it is in use";
  cluster.release(0, std::move(*first));
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[0]);
  EXPECT_EQ(state->connections, 1u);
  {
    Result<Connection> fresh = acquire(cluster, true);
    ASSERT_TRUE(fresh);
    EXPECT_FALSE(fresh->reused);
    EXPECT_TRUE(harness_.run_until([&] { return peer.ended(); }));
    EXPECT_EQ(state->connections, 1u);
    EXPECT_EQ(state->idle, 0u);
  }
  EXPECT_EQ(state->connections, 0u);
}

TEST_F(ClusterTest, WhatAnotherWorkerKeepsIsAskedFor) {
  TcpListener listener;
  settings_.endpoints = {endpoint(listener.port())};
  settings_.circuit_breaker.max_connections = 1;
  unsigned asked = 0;
  const auto make = [&] {
    return Cluster(harness_.io, settings_, registry_, nullptr, metrics_, nullptr, [&asked](const auto&) { ++asked; });
  };
  Cluster one = make(), two = make();
  resolve(one, listener.port());
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[0]);
  Result<Connection> connection = acquire(one);
  ASSERT_TRUE(connection);
  EXPECT_FALSE(two.pick({}));
  EXPECT_EQ(asked, 0u) << "nothing is idle";
  one.release(0, std::move(*connection));
  EXPECT_FALSE(two.pick({}));
  EXPECT_FALSE(two.pick({}));
  EXPECT_EQ(asked, 1u) << "once, until it is heard";
  one.give_room(state.get());
  EXPECT_EQ(state->connections, 0u);
  EXPECT_TRUE(two.pick({}));
}

TEST_F(ClusterTest, PendingIsWhatIsNotConnectedYet) {
  TcpListener listener;
  settings_.endpoints = {endpoint(listener.port())};
  settings_.circuit_breaker.max_pending = 1;
  Cluster cluster = make_cluster();
  resolve(cluster, listener.port());
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[0]);
  Result<Picked> picked = cluster.pick({});
  ASSERT_TRUE(picked);
  EXPECT_EQ(state->pending, 1u);
  EXPECT_FALSE(cluster.pick({}));
  EXPECT_EQ(state->connections, 1u) << "the refused one took none";
  EXPECT_EQ(harness_.await(cluster.connect(*picked, 5s, cancellation_)).code, FailureCode::none);
  EXPECT_EQ(state->pending, 0u);
  EXPECT_EQ(state->connections, 1u);
  EXPECT_TRUE(cluster.pick({}));
}

TEST_F(ClusterTest, AConnectThatFailsGivesItsPlacesBack) {
  settings_.endpoints = {endpoint(1)};  // never resolved
  Cluster cluster = make_cluster();
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[0]);
  Result<Picked> picked = cluster.pick({});
  EXPECT_EQ(harness_.await(cluster.connect(*picked, 5s, cancellation_)).code, FailureCode::resolve_failed);
  EXPECT_EQ(state->connections, 0u);
  EXPECT_EQ(state->pending, 0u);
}

TEST_F(ClusterTest, RepeatedAttemptsHaveABoundOfTheirOwn) {
  settings_.endpoints = {endpoint(1)};
  const std::vector<std::size_t> tried{0};
  const Need repeated{.repeat = true};
  {
    Cluster cluster = make_cluster();
    std::vector<Result<Picked>> held;
    for (int i = 0; i < 4; ++i) held.push_back(cluster.pick({tried, {}}, repeated));
    EXPECT_TRUE(held.back()) << "the budget bounds them";
  }
  settings_.retries.budget = std::nullopt;
  Cluster cluster = make_cluster();
  std::vector<Result<Picked>> held;
  for (int i = 0; i < 3; ++i) held.push_back(cluster.pick({tried, {}}, repeated));
  EXPECT_TRUE(held.back());
  EXPECT_FALSE(cluster.pick({tried, {}}, repeated));
  EXPECT_TRUE(cluster.pick({})) << "a first attempt";
  held.back()->repeat.give_back();
  EXPECT_TRUE(cluster.pick({tried, {}}, repeated));
}

struct Link final : SharedConnection {
  bool has_room(bool) const noexcept override { return true; }
  std::size_t capacity() const noexcept override { return 100; }
  bool is_idle() const noexcept override { return false; }
  std::optional<bool> takes_tunnels() const noexcept override { return takes; }
  std::size_t tunnels() const noexcept override { return open; }
  const std::string& opening() const noexcept override { return start; }
  void retire() override {}
  Place take_place() override { return {}; }

  std::optional<bool> takes;
  std::size_t open = 0;
  const std::string start;
};

TEST_F(ClusterTest, TunnelsShareConnectionsUpToTheirBound) {
  settings_.endpoints = {endpoint(1)};
  settings_.protocol = config::UpstreamProtocol::h2;
  settings_.tunnels_per_connection = 2;
  Cluster cluster = make_cluster();
  const auto link = std::make_shared<Link>();
  link->takes = true;
  cluster.share(0, link);
  const Need tunnel{.fresh = true, .tunnel = true};
  EXPECT_EQ(cluster.pick({}, tunnel)->shared, link);
  link->open = 2;
  Result<Picked> picked = cluster.pick({}, tunnel);
  EXPECT_FALSE(picked->shared);
  EXPECT_FALSE(picked->http1);
  EXPECT_EQ(cluster.pick({})->shared, link);
}

TEST_F(ClusterTest, TunnelsHaveHttp1WhereTheyAreNotTaken) {
  settings_.endpoints = {endpoint(1)};
  settings_.endpoints[0].https = true;
  settings_.protocol = config::UpstreamProtocol::h2;
  const Need tunnel{.fresh = true, .tunnel = true};
  Cluster cluster = make_cluster();
  const auto link = std::make_shared<Link>();
  cluster.share(0, link);
  Result<Picked> first = cluster.pick({}, tunnel);
  EXPECT_TRUE(first->waits && !first->shared) << "for the link to tell";
  link->takes = false;
  EXPECT_TRUE(cluster.pick({}, tunnel)->http1);
  EXPECT_FALSE(cluster.pick({})->http1);
  link->takes = std::nullopt;
  EXPECT_TRUE(cluster.pick({}, tunnel)->http1) << "it is remembered";
}

TEST_F(ClusterTest, TunnelsPassOverWhatHasNoWayForThem) {
  settings_.endpoints = {endpoint(1), endpoint(2)};
  settings_.protocol = config::UpstreamProtocol::h2;
  const Need tunnel{.fresh = true, .tunnel = true};
  Cluster cluster = make_cluster();
  cluster.takes_no_tunnels(0);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(cluster.pick({}, tunnel)->index, 1u);
  Result<Picked> picked = cluster.pick({}, tunnel);
  cluster.takes_no_tunnels(1);
  EXPECT_EQ(cluster.pick_again(*picked, tunnel).code, FailureCode::bad_upgrade);
  Result<Picked> none = cluster.pick({}, tunnel);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.failure().code, FailureCode::bad_upgrade);
  EXPECT_TRUE(cluster.pick({})) << "requests go there as ever";
}

TEST_F(ClusterTest, ASecondConnectionTakesThePlaceOfTheFirst) {
  settings_.endpoints = {endpoint(1)};
  settings_.circuit_breaker.max_connections = 1;
  Cluster cluster = make_cluster();
  const std::shared_ptr<EndpointState> state = registry_.state_of("backend", settings_.endpoints[0]);
  Result<Picked> picked = cluster.pick({}, {.fresh = true});
  ASSERT_TRUE(picked);
  EXPECT_EQ(cluster.pick_again(*picked, {.fresh = true}).code, FailureCode::none);
  EXPECT_EQ(state->connections, 1u);
  picked->connection = {};
  Result<Picked> other = cluster.pick({}, {.fresh = true});
  EXPECT_EQ(cluster.pick_again(*picked, {.fresh = true}).code, FailureCode::upstream_full);
  EXPECT_EQ(state->connections, 1u);
}

// As when other endpoints were discovered, or a reload has changed a setting.
TEST_F(ClusterTest, OneThatTakesAnothersPlaceGoesOnWithItsPools) {
  TcpListener stays, goes;
  settings_.endpoints = {endpoint(goes.port()), endpoint(stays.port())};
  Cluster before = make_cluster();
  std::vector<Peer> peers;
  for (std::size_t i = 0; i < 2; ++i) {
    resolve(before, settings_.endpoints[i].port);
    Result<Connection> connection = acquire_at(before, i);
    ASSERT_TRUE(connection);
    peers.push_back((i == 0 ? goes : stays).accept());
    before.release(i, std::move(*connection));
  }
  Result<Connection> under_way = acquire_at(before, 1);
  ASSERT_TRUE(under_way);
  settings_.endpoints = {endpoint(stays.port(), 5), endpoint(9)};
  Cluster now = make_cluster();
  now.take_over(before, true);
  EXPECT_TRUE(harness_.run_until([&] { return peers[0].ended(); })) << "of an endpoint that is gone";
  EXPECT_FALSE(peers[1].ended());
  EXPECT_TRUE(takes_idle(now, 0));
  EXPECT_FALSE(takes_idle(now, 1));
  before.release(1, std::move(*under_way));
  EXPECT_TRUE(takes_idle(now, 0)) << "a request that began before gives back to the same pool";
}

TEST_F(ClusterTest, PoolsAreNotTakenOverWithOtherSettingsOrByOtherNames) {
  settings_.endpoints = {endpoint(1)};
  const auto keeps = [&](const std::function<void(config::Upstream&)>& change, bool same_tls) {
    TcpListener listener;
    config::Upstream settings = settings_;
    settings.endpoints = {endpoint(listener.port())};
    Cluster before(harness_.io, settings, registry_, nullptr, metrics_);
    resolve(before, listener.port());
    Result<Connection> connection = acquire(before);
    EXPECT_TRUE(connection);
    before.release(0, std::move(*connection));
    change(settings);
    Cluster now(harness_.io, settings, registry_, nullptr, metrics_);
    now.take_over(before, same_tls);
    return takes_idle(now, 0);
  };
  EXPECT_TRUE(keeps([](config::Upstream&) {}, false)) << "plain connections do not depend on TLS";
  EXPECT_FALSE(keeps([](config::Upstream& to) { to.pool.max_idle = 1; }, true));
  EXPECT_FALSE(keeps([](config::Upstream& to) { to.endpoints[0].url += "/"; }, true));
  EXPECT_FALSE(keeps([](config::Upstream& to) { to.endpoints[0].https = true; }, false));
  EXPECT_TRUE(keeps([](config::Upstream& to) { to.endpoints[0].https = true; }, true));
  EXPECT_FALSE(keeps([](config::Upstream& to) { to.endpoints[0].https = true; to.endpoints[0].discovered_as = "other"; }, true));
}

}  // namespace
}  // namespace sluice::upstream
