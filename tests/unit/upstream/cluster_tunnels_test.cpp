#include "tests/unit/upstream/cluster_fixture.h"

namespace sluice::upstream {
namespace {

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

}  // namespace
}  // namespace sluice::upstream
