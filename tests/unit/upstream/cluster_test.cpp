#include "tests/unit/upstream/cluster_fixture.h"

#include <set>

namespace sluice::upstream {
namespace {

using test::TcpListener;

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

}  // namespace
}  // namespace sluice::upstream
