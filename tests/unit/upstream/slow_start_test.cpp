#include "upstream/slow_start.h"

#include <gtest/gtest.h>

namespace sluice::upstream {
namespace {

using std::chrono::seconds;

TEST(SlowStartTest, TheShareGrowsEvenly) {
  const auto share = [](int since) { return SlowStart::share(seconds(since), seconds(30)); };
  EXPECT_EQ(share(-1), SlowStart::kFirst);
  EXPECT_EQ(share(0), SlowStart::kFirst);
  EXPECT_EQ(share(10), 400u);
  EXPECT_EQ(share(20), 700u);
  EXPECT_EQ(share(30), SlowStart::kWhole);
  EXPECT_EQ(share(3000), SlowStart::kWhole);
}

TEST(SlowStartTest, IsActiveOnlyWhileSomebodyIsSpared) {
  std::vector<Endpoint> endpoints(2);
  for (Endpoint& endpoint : endpoints) endpoint.state = std::make_shared<EndpointState>();
  const Clock::time_point now = Clock::now();
  SlowStart off(std::nullopt), on(seconds(30));
  const auto is_active = [&](SlowStart& slow_start) {
    slow_start.look_at(endpoints);
    return slow_start.active();
  };
  EXPECT_FALSE(is_active(on)) << "all were there from the start";
  endpoints[1].state->joined_at = now.time_since_epoch().count();
  EXPECT_TRUE(is_active(on));
  EXPECT_FALSE(is_active(off));
  on.look_at(endpoints, now + seconds(29));
  EXPECT_TRUE(on.active());
  on.look_at(endpoints, now + seconds(30));
  EXPECT_FALSE(on.active());
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(on.spares(endpoints[0], now));
    EXPECT_FALSE(on.spares(endpoints[1], now + seconds(30)));
  }
}

}  // namespace
}  // namespace sluice::upstream
