#include "tests/unit/upstream/cluster_fixture.h"

namespace sluice::upstream {
namespace {

using test::TcpListener;
using test::Peer;

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
