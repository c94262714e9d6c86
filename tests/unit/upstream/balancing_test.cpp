#include <gmock/gmock.h>

#include <map>
#include <string>

#include "upstream/balancing/hash_ring.h"
#include "upstream/balancing/least_connections.h"
#include "upstream/balancing/random_two_choices.h"
#include "upstream/balancing/round_robin.h"
#include "upstream/balancing/stable_hash.h"
#include "upstream/load_balancer.h"

namespace sluice::upstream {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::vector<Endpoint> endpoints_with(const std::vector<unsigned>& weights) {
  std::vector<Endpoint> endpoints(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    endpoints[i].settings.url = "http://10.0.0." + std::to_string(i + 1);
    endpoints[i].settings.weight = weights[i];
    endpoints[i].state = std::make_shared<EndpointState>();
  }
  return endpoints;
}

std::vector<std::size_t> picks(LoadBalancer& balancer, const std::vector<Endpoint>& endpoints,
                               std::size_t times, const std::vector<std::size_t>& excluded = {}) {
  std::vector<std::size_t> picked;
  for (std::size_t i = 0; i < times; ++i) picked.push_back(balancer.pick(endpoints, {excluded, {}}));
  return picked;
}

std::map<std::size_t, int> shares(const std::vector<std::size_t>& picked) {
  std::map<std::size_t, int> counted;
  for (const std::size_t index : picked) ++counted[index];
  return counted;
}

// ---- all policies

TEST(BalancingTest, WhatIsOutIsNotPickedUnlessInPanic) {
  for (const auto policy : {config::Balance::round_robin, config::Balance::least_connections,
                            config::Balance::random_two_choices, config::Balance::hash}) {
    std::vector<Endpoint> endpoints = endpoints_with({1, 1, 1});
    const std::unique_ptr<LoadBalancer> balancer = make_load_balancer(policy, endpoints);
    endpoints[1].out = true;
    std::map<std::size_t, int> counted;
    for (std::uint64_t hash = 0; hash < 60; ++hash) ++counted[balancer->pick(endpoints, {{}, stable_hash(std::to_string(hash))})];
    EXPECT_THAT(counted, ElementsAre(Pair(0, ::testing::Gt(5)), Pair(2, ::testing::Gt(5))));
    const std::vector<std::size_t> tried{0};
    EXPECT_EQ(balancer->pick(endpoints, {tried, 7}), 2u);
    endpoints[0].out = endpoints[2].out = true;
    EXPECT_EQ(balancer->pick(endpoints, {{}, 7}), LoadBalancer::kNone);
    counted.clear();
    for (std::uint64_t hash = 0; hash < 60; ++hash) ++counted[balancer->pick(endpoints, {{}, stable_hash(std::to_string(hash)), true})];
    EXPECT_EQ(counted.size(), 3u);
  }
}

// ---- round robin
// ---------------------------------------------------------------------------------------------------

TEST(RoundRobinTest, EqualsTakeTurns) {
  // Where it starts is random, so a few of them are looked at.
  for (int i = 0; i < 20; ++i) {
    const std::vector<Endpoint> endpoints = endpoints_with({1, 1, 1});
    RoundRobin balancer(endpoints.size());
    const std::vector<std::size_t> picked = picks(balancer, endpoints, 30);
    EXPECT_THAT(shares(picked), ElementsAre(Pair(0, 10), Pair(1, 10), Pair(2, 10)));
    for (std::size_t at = 3; at < picked.size(); ++at) EXPECT_EQ(picked[at], picked[at - 3]);
  }
}

TEST(RoundRobinTest, WorkersStartAtDifferentPlaces) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1, 1, 1});
  std::map<std::size_t, int> first;
  for (int i = 0; i < 400; ++i) {
    RoundRobin balancer(endpoints.size());
    ++first[balancer.pick(endpoints, {})];
  }
  EXPECT_EQ(first.size(), 4u);
}

TEST(RoundRobinTest, WeightsAreSharesOfEveryTurn) {
  for (int i = 0; i < 20; ++i) {
    const std::vector<Endpoint> endpoints = endpoints_with({5, 1, 2});
    RoundRobin balancer(endpoints.size());
    for (int turn = 0; turn < 50; ++turn) {
      EXPECT_THAT(shares(picks(balancer, endpoints, 8)), ElementsAre(Pair(0, 5), Pair(1, 1), Pair(2, 2)));
    }
  }
}

TEST(RoundRobinTest, AHeavyEndpointDoesNotGetItsTurnsInARow) {
  for (int i = 0; i < 20; ++i) {
    const std::vector<Endpoint> endpoints = endpoints_with({4, 4, 4});
    RoundRobin even(endpoints.size());
    const std::vector<std::size_t> picked = picks(even, endpoints, 60);
    for (std::size_t at = 1; at < picked.size(); ++at) EXPECT_NE(picked[at], picked[at - 1]);

    const std::vector<Endpoint> uneven = endpoints_with({5, 1, 1});
    RoundRobin balancer(uneven.size());
    const std::vector<std::size_t> smooth = picks(balancer, uneven, 70);
    int in_a_row = 0;
    for (const std::size_t index : smooth) {
      in_a_row = index == 0 ? in_a_row + 1 : 0;
      EXPECT_LE(in_a_row, 4);
    }
  }
}

TEST(RoundRobinTest, ExcludedEndpointsAreNotPicked) {
  const std::vector<Endpoint> endpoints = endpoints_with({3, 1, 1});
  RoundRobin balancer(endpoints.size());
  EXPECT_THAT(shares(picks(balancer, endpoints, 10, {0})), ElementsAre(Pair(1, 5), Pair(2, 5)));
  EXPECT_THAT(picks(balancer, endpoints, 5, {0, 2}), Each(1u));
  EXPECT_EQ(picks(balancer, endpoints, 1, {0, 1, 2}).front(), LoadBalancer::kNone);
}

// An endpoint that was excluded for a while must not be flooded afterwards to make up for it.
TEST(RoundRobinTest, ExclusionDoesNotSaveUpTurns) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1});
  RoundRobin balancer(endpoints.size());
  picks(balancer, endpoints, 1000, {0});
  EXPECT_THAT(shares(picks(balancer, endpoints, 10)), ElementsAre(Pair(0, 5), Pair(1, 5)));
}

TEST(RoundRobinTest, NoEndpointsIsNone) {
  RoundRobin balancer(0);
  EXPECT_EQ(balancer.pick({}, {}), LoadBalancer::kNone);
}

// ---- least connections
// ---------------------------------------------------------------------------------------------

TEST(LeastConnectionsTest, PicksTheOneWithTheFewest) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1, 1});
  endpoints[0].state->in_flight = 2;
  endpoints[1].state->in_flight = 1;
  endpoints[2].state->in_flight = 3;
  LeastConnections balancer;
  EXPECT_THAT(picks(balancer, endpoints, 5), Each(1u));
}

TEST(LeastConnectionsTest, EqualsTakeTurns) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1, 1});
  LeastConnections balancer;
  EXPECT_THAT(shares(picks(balancer, endpoints, 30)), ElementsAre(Pair(0, 10), Pair(1, 10), Pair(2, 10)));
  endpoints[1].state->in_flight = 1;
  EXPECT_THAT(shares(picks(balancer, endpoints, 30)), ElementsAre(Pair(0, 15), Pair(2, 15)));
}

TEST(LeastConnectionsTest, KeptConnectionsFollowTheWeights) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 3});
  LeastConnections balancer;
  std::vector<InFlight> held;
  for (int i = 0; i < 400; ++i) held.emplace_back(endpoints[balancer.pick(endpoints, {})].state);
  EXPECT_NEAR(endpoints[0].state->in_flight.load(), 100, 1);
  EXPECT_NEAR(endpoints[1].state->in_flight.load(), 300, 1);
}

TEST(LeastConnectionsTest, AnIdleHeavyEndpointComesBeforeAnIdleLightOne) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 2});
  LeastConnections balancer;
  EXPECT_THAT(picks(balancer, endpoints, 4), Each(1u));
}

TEST(LeastConnectionsTest, ExcludedEndpointsAreNotPicked) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1, 1});
  endpoints[2].state->in_flight = 100;
  LeastConnections balancer;
  EXPECT_THAT(picks(balancer, endpoints, 5, {0, 1}), Each(2u));
  EXPECT_EQ(picks(balancer, endpoints, 1, {2, 1, 0}).front(), LoadBalancer::kNone);
  EXPECT_EQ(balancer.pick({}, {}), LoadBalancer::kNone);
}

// ---- random two choices
// ------------------------------------------------------------------------------------------

TEST(RandomTwoChoicesTest, OfTwoThatAreThereTheLessLoadedIsPicked) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1});
  endpoints[0].state->in_flight = 1;
  RandomTwoChoices balancer;
  EXPECT_THAT(picks(balancer, endpoints, 50), Each(1u));
}

TEST(RandomTwoChoicesTest, TheMostLoadedOfManyIsNeverPickedAndTheOthersAre) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1, 1, 1});
  endpoints[2].state->in_flight = 5;
  RandomTwoChoices balancer;
  const std::map<std::size_t, int> counted = shares(picks(balancer, endpoints, 3000));
  EXPECT_THAT(counted, UnorderedElementsAre(Pair(0, ::testing::Gt(800)), Pair(1, ::testing::Gt(800)), Pair(3, ::testing::Gt(800))));
}

TEST(RandomTwoChoicesTest, KeptConnectionsFollowTheWeights) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 3, 2});
  RandomTwoChoices balancer;
  std::vector<InFlight> held;
  for (int i = 0; i < 1200; ++i) held.emplace_back(endpoints[balancer.pick(endpoints, {})].state);
  EXPECT_NEAR(endpoints[0].state->in_flight.load(), 200, 30);
  EXPECT_NEAR(endpoints[1].state->in_flight.load(), 600, 30);
}

TEST(RandomTwoChoicesTest, ExcludedEndpointsAreNotPicked) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1000, 1});
  RandomTwoChoices balancer;
  EXPECT_THAT(picks(balancer, endpoints, 50, {1, 2}), Each(0u));
  EXPECT_EQ(picks(balancer, endpoints, 1, {0, 1, 2}).front(), LoadBalancer::kNone);
  EXPECT_EQ(balancer.pick({}, {}), LoadBalancer::kNone);
}

// ---- hash
// --------------------------------------------------------------------------------------------------------

std::size_t pick_for(HashRing& ring, const std::vector<Endpoint>& endpoints, const std::string& key,
                     Excluded excluded = {}) {
  return ring.pick(endpoints, {excluded, stable_hash(key)});
}

std::map<std::size_t, int> shares_of_keys(const std::vector<Endpoint>& endpoints, int keys) {
  HashRing ring(endpoints);
  std::map<std::size_t, int> counted;
  for (int key = 0; key < keys; ++key) ++counted[pick_for(ring, endpoints, "user-" + std::to_string(key))];
  return counted;
}

// Written down, since it must be the same in every version.
TEST(StableHashTest, IsTheSameForEver) {
  EXPECT_EQ(stable_hash(""), 0xEFD01F60BA992926u);
  EXPECT_EQ(stable_hash("192.0.2.1"), 0x8FC433616F773343u);
}

TEST(HashRingTest, AKeyHasItsEndpointOnEveryWorker) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1, 1, 1, 1});
  HashRing one(endpoints), other(endpoints);
  for (int key = 0; key < 1000; ++key) {
    const std::string name = std::to_string(key);
    EXPECT_EQ(pick_for(one, endpoints, name), pick_for(other, endpoints, name));
  }
}

TEST(HashRingTest, KeysFollowTheWeights) {
  EXPECT_THAT(shares_of_keys(endpoints_with({1, 1, 1, 1}), 8000), Each(Pair(::testing::_, ::testing::AllOf(::testing::Gt(1600), ::testing::Lt(2400)))));
  const std::map<std::size_t, int> uneven = shares_of_keys(endpoints_with({1, 3}), 8000);
  EXPECT_NEAR(uneven.at(0), 2000, 400);
  EXPECT_GT(shares_of_keys(endpoints_with({1, 1000, 1000}), 20000)[0], 0) << "a light one has its keys, too";
}

TEST(HashRingTest, OnlyTheKeysOfAnEndpointThatLeavesMove) {
  const std::vector<Endpoint> all = endpoints_with({1, 1, 1, 1, 1});
  const std::vector<Endpoint> fewer(all.begin(), all.end() - 1);
  HashRing before(all), after(fewer);
  int moved = 0;
  for (int key = 0; key < 5000; ++key) {
    const std::size_t was = pick_for(before, all, std::to_string(key));
    const std::size_t is = pick_for(after, fewer, std::to_string(key));
    if (was != 4) {
      EXPECT_EQ(is, was);
    }
    moved += is != was;
  }
  EXPECT_NEAR(moved, 1000, 250);
}

TEST(HashRingTest, AKeyOfAnExcludedEndpointHasAnotherOneForItself) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1, 1});
  HashRing ring(endpoints);
  const std::size_t first = pick_for(ring, endpoints, "room-7");
  const std::size_t second = pick_for(ring, endpoints, "room-7", std::vector<std::size_t>{first});
  EXPECT_NE(second, first);
  EXPECT_EQ(pick_for(ring, endpoints, "room-7", std::vector<std::size_t>{first}), second);
  EXPECT_EQ(pick_for(ring, endpoints, "room-7", std::vector<std::size_t>{0, 1, 2}), LoadBalancer::kNone);
}

// One key for all: no endpoint gets more than a quarter over its share.
TEST(HashRingTest, APopularKeyIsSpreadOverItsNeighboursWhenItsEndpointHasEnough) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1, 2});
  HashRing ring(endpoints);
  std::vector<InFlight> held;
  for (int i = 0; i < 400; ++i) held.emplace_back(endpoints[pick_for(ring, endpoints, "everybody")].state);
  EXPECT_LE(endpoints[0].state->in_flight, 126u);
  EXPECT_LE(endpoints[1].state->in_flight, 126u);
  EXPECT_LE(endpoints[2].state->in_flight, 251u);
}

TEST(HashRingTest, RequestsWithoutTheKeyAreSpread) {
  const std::vector<Endpoint> endpoints = endpoints_with({1, 1});
  HashRing ring(endpoints);
  EXPECT_THAT(shares(picks(ring, endpoints, 10)), ElementsAre(Pair(0, 5), Pair(1, 5)));
}

TEST(HashRingTest, NoEndpointsIsNone) {
  HashRing ring({});
  EXPECT_EQ(ring.pick({}, {{}, stable_hash("a")}), LoadBalancer::kNone);
  EXPECT_EQ(ring.pick({}, {}), LoadBalancer::kNone);
}

TEST(LoadBalancerTest, EachPolicyHasItsOwn) {
  const std::vector<Endpoint> two = endpoints_with({1, 1});
  const auto is = [&two]<class Policy>(config::Balance balance, Policy*) {
    return dynamic_cast<Policy*>(make_load_balancer(balance, two).get()) != nullptr;
  };
  EXPECT_TRUE(is(config::Balance::round_robin, static_cast<RoundRobin*>(nullptr)));
  EXPECT_TRUE(is(config::Balance::least_connections, static_cast<LeastConnections*>(nullptr)));
  EXPECT_TRUE(is(config::Balance::random_two_choices, static_cast<RandomTwoChoices*>(nullptr)));
  EXPECT_TRUE(is(config::Balance::hash, static_cast<HashRing*>(nullptr)));
}

// ---- what is counted
// -----------------------------------------------------------------------------------------------

TEST(InFlightTest, CountsWhileItLivesHoweverItIsMoved) {
  const auto state = std::make_shared<EndpointState>();
  const auto other = std::make_shared<EndpointState>();
  {
    InFlight first(state);
    EXPECT_EQ(state->in_flight, 1u);
    InFlight second(std::move(first));
    EXPECT_EQ(state->in_flight, 1u);
    InFlight third(other);
    third = std::move(second);
    EXPECT_EQ(state->in_flight, 1u);
    EXPECT_EQ(other->in_flight, 0u);
    third = InFlight();
    EXPECT_EQ(state->in_flight, 0u);
  }
  EXPECT_EQ(state->in_flight, 0u);
}

}  // namespace
}  // namespace sluice::upstream
