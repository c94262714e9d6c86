#include <gmock/gmock.h>

#include <map>
#include <string>

#include "upstream/balancing/least_connections.h"
#include "upstream/balancing/round_robin.h"
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
    endpoints[i].settings.weight = weights[i];
    endpoints[i].state = std::make_shared<EndpointState>();
  }
  return endpoints;
}

std::vector<std::size_t> picks(LoadBalancer& balancer, const std::vector<Endpoint>& endpoints,
                               std::size_t times, const std::vector<std::size_t>& excluded = {}) {
  std::vector<std::size_t> picked;
  for (std::size_t i = 0; i < times; ++i) picked.push_back(balancer.pick(endpoints, excluded));
  return picked;
}

std::map<std::size_t, int> shares(const std::vector<std::size_t>& picked) {
  std::map<std::size_t, int> counted;
  for (const std::size_t index : picked) ++counted[index];
  return counted;
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
  EXPECT_EQ(balancer.pick(endpoints, std::vector<std::size_t>{0, 1, 2}), LoadBalancer::kNone);
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
  EXPECT_EQ(balancer.pick(endpoints, std::vector<std::size_t>{2, 1, 0}), LoadBalancer::kNone);
  EXPECT_EQ(balancer.pick({}, {}), LoadBalancer::kNone);
}

TEST(LoadBalancerTest, EachPolicyHasItsOwn) {
  EXPECT_NE(dynamic_cast<RoundRobin*>(make_load_balancer(config::Balance::round_robin, 2).get()), nullptr);
  EXPECT_NE(dynamic_cast<LeastConnections*>(make_load_balancer(config::Balance::least_connections, 2).get()),
            nullptr);
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
