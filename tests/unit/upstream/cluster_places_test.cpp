#include "tests/unit/upstream/cluster_fixture.h"

namespace sluice::upstream {
namespace {

using test::TcpListener;
using test::Peer;

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

}  // namespace
}  // namespace sluice::upstream
