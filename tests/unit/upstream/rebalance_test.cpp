#include "upstream/rebalance.h"

#include <gmock/gmock.h>

namespace sluice::upstream {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

struct Load {
  std::uint32_t tunnels;
  unsigned weight = 1;
  bool out = false;
};

std::vector<double> parts(const std::vector<Load>& loads) {
  std::vector<Endpoint> endpoints(loads.size());
  for (std::size_t i = 0; i < loads.size(); ++i) {
    endpoints[i].settings.weight = loads[i].weight;
    endpoints[i].state = std::make_shared<EndpointState>();
    endpoints[i].state->tunnels = loads[i].tunnels;
    endpoints[i].out = loads[i].out;
  }
  return parts_in_excess(endpoints);
}

auto about(double value) { return DoubleNear(value, 1e-9); }

TEST(RebalanceTest, OneThatJoinsGetsItsShareFromAllOthers) {
  EXPECT_THAT(parts({{300}, {300}, {0}}), ElementsAre(about(1.0 / 3), about(1.0 / 3), 0));
  EXPECT_THAT(parts({{300}, {0}}), ElementsAre(about(0.5), 0));
}

TEST(RebalanceTest, WeightsCount) {
  EXPECT_THAT(parts({{400, 1}, {0, 3}}), ElementsAre(about(0.75), 0));
  EXPECT_THAT(parts({{100, 1}, {300, 3}}), ElementsAre(0, 0));
}

TEST(RebalanceTest, WhatIsEvenStaysAndWhatIsFewToo) {
  EXPECT_THAT(parts({{100}, {100}, {100}}), ElementsAre(0, 0, 0));
  EXPECT_THAT(parts({{1}, {0}}), ElementsAre(0, 0));
  EXPECT_THAT(parts({{34}, {33}, {33}}), ElementsAre(0, 0, 0));
  EXPECT_THAT(parts({{0}, {0}}), ElementsAre(0, 0));
  EXPECT_THAT(parts({}), ElementsAre());
}

TEST(RebalanceTest, WhatIsOutGivesAndGetsNothing) {
  EXPECT_THAT(parts({{600, 1, true}, {100}, {0, 1, true}}), ElementsAre(0, 0, 0));
  EXPECT_THAT(parts({{600, 1, true}, {100}, {0}}), ElementsAre(0, about(0.5), 0));
  EXPECT_THAT(parts({{600, 1, true}}), ElementsAre(0));
}

TEST(RebalanceTest, OneJoinsThatIsNewInAgainOrHeavier) {
  std::vector<Endpoint> before(2);
  for (Endpoint& one : before) one.state = std::make_shared<EndpointState>();
  EXPECT_FALSE(any_joined(before, before));
  EXPECT_FALSE(any_joined(before, std::span(before).first(1))) << "one that vanished";
  EXPECT_FALSE(any_joined({}, {}));
  EXPECT_TRUE(any_joined(std::span(before).first(1), before));
  std::vector<Endpoint> now = before;
  now[1].settings.weight = 2;
  EXPECT_TRUE(any_joined(before, now));
  EXPECT_FALSE(any_joined(now, before));
  now = before;
  now[0].out = true;
  EXPECT_FALSE(any_joined(before, now));
  EXPECT_FALSE(any_joined(now, now));
  EXPECT_TRUE(any_joined(now, before));
  EXPECT_FALSE(any_joined(std::span(before).last(1), now)) << "new, but out";
}

}  // namespace
}  // namespace sluice::upstream
