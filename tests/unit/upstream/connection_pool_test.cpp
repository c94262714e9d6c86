#include "upstream/connection_pool.h"

#include <gmock/gmock.h>

#include "tests/support/io_harness.h"
#include "upstream/shared_connection.h"

namespace sluice::upstream {
namespace {

using namespace std::chrono_literals;
using test::IoHarness;
using test::Peer;

class ConnectionPoolTest : public ::testing::Test {
 protected:
  ConnectionPool make_pool() { return ConnectionPool(harness_.io, state_, settings_, metrics_); }
  // A connection, its far end, and its stream to know it by.
  Connection connect(Peer& peer) {
    Connection connection;
    std::tie(connection.stream, peer) = harness_.tcp_stream();
    connection.open = metrics::GaugeHold(metrics_.connections_open);
    return connection;
  }
  std::int64_t open() const { return metrics_.connections_open.value(); }
  std::int64_t idle() const { return metrics_.connections_idle.value(); }

  IoHarness harness_;
  std::shared_ptr<EndpointState> state_ = std::make_shared<EndpointState>();
  config::Pool settings_;
  metrics::UpstreamMetrics metrics_{harness_.registry, 0, "backend"};
};

TEST_F(ConnectionPoolTest, GivesBackWhatWasPutIn) {
  ConnectionPool pool = make_pool();
  EXPECT_FALSE(pool.take({}));
  Peer peer;
  Connection connection = connect(peer);
  const tls::Stream* stream = connection.stream.get();
  const Clock::time_point created = connection.created;
  EXPECT_FALSE(connection.reused);
  pool.put(std::move(connection));
  harness_.settle();
  EXPECT_EQ(state_->idle, 1u);
  EXPECT_EQ(idle(), 1);
  std::optional<Connection> taken = pool.take({});
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->stream.get(), stream);
  EXPECT_EQ(taken->created, created);
  EXPECT_TRUE(taken->reused);
  EXPECT_EQ(metrics_.pool_hits.value(), 1u);
  EXPECT_EQ(state_->idle, 0u);
  EXPECT_EQ(idle(), 0);
  EXPECT_EQ(open(), 1);
  EXPECT_FALSE(pool.take({}));
}

TEST_F(ConnectionPoolTest, AConnectionThatTellsOfAClientServesThatClientAlone) {
  ConnectionPool pool = make_pool();
  std::vector<Peer> peers(3);
  std::vector<const tls::Stream*> streams;
  for (const char* opening : {"a", "b", "a"}) {
    Connection connection = connect(peers[streams.size()]);
    connection.opening = opening;
    streams.push_back(connection.stream.get());
    pool.put(std::move(connection));
  }
  EXPECT_FALSE(pool.take({}));
  EXPECT_FALSE(pool.take("c"));
  const auto taken = [&pool](std::string_view opening) {
    std::optional<Connection> connection = pool.take(opening);
    return connection ? connection->stream.get() : nullptr;
  };
  EXPECT_EQ(taken("a"), streams[2]);
  EXPECT_EQ(taken("a"), streams[0]);
  EXPECT_EQ(taken("a"), nullptr);
  EXPECT_EQ(taken("b"), streams[1]);
  EXPECT_EQ(state_->idle, 0u);
}

TEST_F(ConnectionPoolTest, AConnectionThatTellsOfAClientTakesTheOldestsPlace) {
  settings_.max_idle = 2;
  ConnectionPool pool = make_pool();
  std::vector<Peer> peers(3);
  for (std::size_t i = 0; i < peers.size(); ++i) {
    Connection connection = connect(peers[i]);
    connection.opening = std::string(1, static_cast<char>('a' + i));
    pool.put(std::move(connection));
  }
  EXPECT_EQ(state_->idle, 2u);
  EXPECT_FALSE(pool.take("a"));
  EXPECT_TRUE(pool.take("b"));
  EXPECT_TRUE(pool.take("c"));
}

TEST_F(ConnectionPoolTest, ATakenConnectionCarriesBytesBothWays) {
  ConnectionPool pool = make_pool();
  Peer peer;
  pool.put(connect(peer));
  harness_.settle();  // the watch has a read pending
  std::optional<Connection> taken = pool.take({});
  ASSERT_TRUE(taken);
  ASSERT_FALSE(taken->stream->write({"request"}));
  EXPECT_EQ(peer.receive(), "request");
  peer.send("response");
  EXPECT_EQ(harness_.await(test::read_at_least(*taken->stream, 8)).bytes, "response");
}

TEST_F(ConnectionPoolTest, TheNewestIsUsedFirst) {
  ConnectionPool pool = make_pool();
  std::vector<Peer> peers(3);
  std::vector<const tls::Stream*> streams;
  for (Peer& peer : peers) {
    Connection connection = connect(peer);
    streams.push_back(connection.stream.get());
    pool.put(std::move(connection));
  }
  for (std::size_t i = 3; i-- > 0;) {
    std::optional<Connection> taken = pool.take({});
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->stream.get(), streams[i]);
  }
}

TEST_F(ConnectionPoolTest, AFinTakesAnIdleConnectionOut) {
  ConnectionPool pool = make_pool();
  Peer stays;
  Peer leaves;
  Connection connection = connect(stays);
  const tls::Stream* stream = connection.stream.get();
  pool.put(std::move(connection));
  pool.put(connect(leaves));
  harness_.settle();
  leaves.finish();
  ASSERT_TRUE(harness_.run_until([&] { return state_->idle == 1; }));
  EXPECT_EQ(open(), 1);
  EXPECT_TRUE(harness_.run_until([&] { return leaves.ended(); })) << "and closes it";
  std::optional<Connection> taken = pool.take({});
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->stream.get(), stream);
}

TEST_F(ConnectionPoolTest, AResetTakesAnIdleConnectionOut) {
  ConnectionPool pool = make_pool();
  Peer peer;
  pool.put(connect(peer));
  harness_.settle();
  peer.reset();
  ASSERT_TRUE(harness_.run_until([&] { return state_->idle == 0; }));
  EXPECT_FALSE(pool.take({}));
  EXPECT_EQ(open(), 0);
}

// A backend that says 408 into an idle connection, or repeats itself: the next request must not get that as
// its answer.
TEST_F(ConnectionPoolTest, BytesThatNobodyAskedForTakeAnIdleConnectionOut) {
  ConnectionPool pool = make_pool();
  Peer peer;
  pool.put(connect(peer));
  harness_.settle();
  peer.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(harness_.run_until([&] { return state_->idle == 0; }));
  EXPECT_FALSE(pool.take({}));
}

// They may have come before: in the socket, where nobody has looked yet.
TEST_F(ConnectionPoolTest, BytesThatAreThereAlreadyAreNotKeptForLong) {
  ConnectionPool pool = make_pool();
  Peer peer;
  Connection connection = connect(peer);
  peer.send("more than the response");
  pool.put(std::move(connection));
  harness_.settle();
  EXPECT_EQ(state_->idle, 0u);
}

TEST_F(ConnectionPoolTest, WhatIsNotCleanIsNotKept) {
  ConnectionPool pool = make_pool();
  Peer peers[3];
  Connection unread = connect(peers[0]);
  unread.stream->unread("HTTP/1.1 200 OK\r\n");
  pool.put(std::move(unread));
  Connection aborted = connect(peers[1]);
  aborted.stream->abort(tls::StreamError::cancelled);
  pool.put(std::move(aborted));
  Connection ended = connect(peers[2]);
  peers[2].finish();
  ASSERT_TRUE(harness_.run_until([&] { return test::drain(*ended.stream).error == tls::StreamError::eof; }));
  pool.put(std::move(ended));
  EXPECT_EQ(state_->idle, 0u);
  EXPECT_FALSE(pool.take({}));
  EXPECT_EQ(open(), 0);
}

TEST_F(ConnectionPoolTest, MaxIdleHoldsForAllWorkersTogether) {
  settings_.max_idle = 2;
  ConnectionPool one = make_pool();
  ConnectionPool other = make_pool();
  Peer peers[4];
  one.put(connect(peers[0]));
  other.put(connect(peers[1]));
  one.put(connect(peers[2]));
  EXPECT_EQ(state_->idle, 2u);
  EXPECT_EQ(open(), 2);
  peers[2].receive();
  EXPECT_TRUE(peers[2].was_reset()) << "a FIN would leave a TIME_WAIT";
  ASSERT_TRUE(other.take({}));  // makes room, in the other pool as well
  one.put(connect(peers[3]));
  EXPECT_EQ(state_->idle, 2u);
  EXPECT_FALSE(peers[3].ended());
}

TEST_F(ConnectionPoolTest, NoneIsKeptWhenMaxIdleIsZero) {
  settings_.max_idle = 0;
  ConnectionPool pool = make_pool();
  Peer peer;
  pool.put(connect(peer));
  EXPECT_FALSE(pool.take({}));
  EXPECT_EQ(state_->idle, 0u);
}

TEST_F(ConnectionPoolTest, IdleTimeoutClosesIt) {
  settings_.idle_timeout = 60ms;
  ConnectionPool pool = make_pool();
  Peer peer;
  const Clock::time_point start = Clock::now();
  pool.put(connect(peer));
  ASSERT_TRUE(harness_.run_until([&] { return state_->idle == 0; }));
  EXPECT_GE(Clock::now() - start, 60ms);
  EXPECT_TRUE(harness_.run_until([&] { return peer.ended(); }));
  EXPECT_FALSE(pool.take({}));
}

TEST_F(ConnectionPoolTest, WithoutIdleTimeoutItStays) {
  settings_.idle_timeout.reset();
  ConnectionPool pool = make_pool();
  Peer peer;
  pool.put(connect(peer));
  harness_.run_for(100ms);
  EXPECT_TRUE(pool.take({}));
}

TEST_F(ConnectionPoolTest, ATakenConnectionIsNotClosedByTheIdleTimeout) {
  settings_.idle_timeout = 40ms;
  ConnectionPool pool = make_pool();
  Peer peer;
  pool.put(connect(peer));
  std::optional<Connection> taken = pool.take({});
  ASSERT_TRUE(taken);
  harness_.run_for(150ms);
  EXPECT_FALSE(taken->stream->error());
  EXPECT_FALSE(peer.ended());
}

TEST_F(ConnectionPoolTest, OverMaxLifetimeItIsNotKept) {
  settings_.max_lifetime = 50ms;
  ConnectionPool pool = make_pool();
  Peer young_peer;
  Peer old_peer;
  Connection old = connect(old_peer);
  old.created -= 60ms;
  pool.put(std::move(old));
  EXPECT_EQ(state_->idle, 0u);
  EXPECT_TRUE(old_peer.ended());
  pool.put(connect(young_peer));
  EXPECT_EQ(state_->idle, 1u);
}

TEST_F(ConnectionPoolTest, MaxLifetimePassesWhileItIsIdleToo) {
  settings_.max_lifetime = 60ms;
  ConnectionPool pool = make_pool();
  Peer peer;
  pool.put(connect(peer));
  harness_.run_for(200ms);
  EXPECT_FALSE(pool.take({})) << "it is older than max_lifetime by now";
}

TEST_F(ConnectionPoolTest, ClosingClosesWhatIsIdleAndWhatComesBackLater) {
  Peer peers[3];
  ConnectionPool pool = make_pool();
  pool.put(connect(peers[0]));
  pool.put(connect(peers[1]));
  std::optional<Connection> used = pool.take({});
  ASSERT_TRUE(used);
  harness_.settle();
  pool.close();
  EXPECT_EQ(state_->idle, 0u);
  EXPECT_EQ(idle(), 0);
  EXPECT_TRUE(peers[0].ended());
  EXPECT_FALSE(peers[1].ended());
  pool.put(std::move(*used));
  EXPECT_EQ(state_->idle, 0u);
  EXPECT_EQ(open(), 0);
  EXPECT_TRUE(peers[1].ended());
}

TEST_F(ConnectionPoolTest, TheEndOfThePoolClosesWhatIsIdle) {
  Peer peer;
  {
    ConnectionPool pool = make_pool();
    pool.put(connect(peer));
    harness_.settle();
  }
  EXPECT_EQ(state_->idle, 0u);
  EXPECT_EQ(open(), 0);
  EXPECT_TRUE(peer.ended());
}

struct FakeShared final : SharedConnection {
  explicit FakeShared(std::size_t places, std::string began_with = {}) : room(places), start(std::move(began_with)) {}
  bool has_room(bool tunnel) const noexcept override { return room > 0 && !(tunnel && refuses_tunnels); }
  std::size_t capacity() const noexcept override { return room; }
  bool is_idle() const noexcept override { return idle; }
  std::optional<bool> takes_tunnels() const noexcept override { return takes; }
  std::size_t tunnels() const noexcept override { return open_tunnels; }
  const std::string& opening() const noexcept override { return start; }
  void retire() override { retired = true; }
  Place take_place() override { return std::move(place); }
  void leave() { leave_pool(); }
  void settle(bool tunnels) {
    takes = tunnels;
    settled();
  }

  std::size_t room;
  bool refuses_tunnels = false;
  std::optional<bool> takes;
  std::size_t open_tunnels = 0;
  const std::string start;
  bool idle = false, retired = false;
  Place place;
};

TEST_F(ConnectionPoolTest, SharesWhatHasRoom) {
  ConnectionPool pool = make_pool();
  EXPECT_FALSE(pool.find_shared({}));
  const auto full = std::make_shared<FakeShared>(0), other = std::make_shared<FakeShared>(1, "PROXY"),
             good = std::make_shared<FakeShared>(2);
  for (const auto& one : {full, other, good}) pool.share(one);
  EXPECT_EQ(pool.find_shared({}), good);
  EXPECT_EQ(pool.find_shared({.opening = "PROXY"}), other);
  good->leave();
  EXPECT_FALSE(pool.find_shared({}));
  EXPECT_EQ(good.use_count(), 1);
  good->leave();
  pool.close();
  EXPECT_TRUE(full->retired && other->retired && !good->retired);
  EXPECT_EQ(full.use_count(), 1);
  pool.share(good);
  EXPECT_EQ(good.use_count(), 1);
}

TEST_F(ConnectionPoolTest, TunnelsAreOnFewConnections) {
  ConnectionPool pool = make_pool();
  const auto make = [&](std::optional<bool> takes, std::size_t tunnels, std::size_t room = 1) {
    const auto one = std::make_shared<FakeShared>(room);
    one->takes = takes;
    one->open_tunnels = tunnels;
    pool.share(one);
    return one;
  };
  const auto refuses = make(false, 0), unknown = make(std::nullopt, 2), without_room = make(true, 4, 0), empty = make(true, 0),
             fuller = make(true, 3), full = make(true, 5);
  const SharedNeed tunnel{.most_tunnels = 5};
  EXPECT_EQ(pool.find_shared(tunnel), fuller);
  fuller->refuses_tunnels = true;
  EXPECT_EQ(pool.find_shared(tunnel), empty);
  empty->room = 0;
  EXPECT_FALSE(pool.find_shared(tunnel)) << "one that has not said yet whether it takes any";
  unknown->takes = true;
  EXPECT_EQ(pool.find_shared(tunnel), unknown);
  EXPECT_FALSE(pool.find_shared({.opening = "PROXY", .most_tunnels = 5}));
  EXPECT_EQ(pool.find_shared({}), refuses);
  EXPECT_EQ(full->room, 1u);
  EXPECT_EQ(without_room->open_tunnels, 4u);
}

TEST_F(ConnectionPoolTest, WhatWasHeardLastOfTunnelsHolds) {
  ConnectionPool pool = make_pool();
  EXPECT_EQ(pool.takes_tunnels(), std::nullopt);
  const auto first = std::make_shared<FakeShared>(1), second = std::make_shared<FakeShared>(1);
  pool.share(first);
  pool.share(second);
  EXPECT_EQ(pool.takes_tunnels(), std::nullopt);
  first->takes = false;
  EXPECT_EQ(pool.takes_tunnels(), false);
  second->takes = true;
  EXPECT_EQ(pool.takes_tunnels(), true);
}

TEST_F(ConnectionPoolTest, AnIdleSharedOneGivesItsPlace) {
  ConnectionPool pool = make_pool();
  const auto busy = std::make_shared<FakeShared>(1), idle = std::make_shared<FakeShared>(1);
  idle->idle = true;
  for (const auto& one : {busy, idle}) {
    one->place = Place::take({state_, &state_->connections}, std::nullopt);
    pool.share(one);
  }
  EXPECT_TRUE(pool.take_place());
  EXPECT_EQ(state_->connections, 1u);
  EXPECT_EQ(idle.use_count(), 1);
  EXPECT_FALSE(pool.take_place());
}

TEST_F(ConnectionPoolTest, RequestsWaitForAsManyAsAreComing) {
  ConnectionPool pool = make_pool();
  EXPECT_FALSE(pool.is_worth_waiting({}));
  std::optional<ConnectionPool::Opening> opening(std::in_place, pool);
  EXPECT_TRUE(pool.is_worth_waiting({}));
  const auto small = std::make_shared<FakeShared>(1);
  pool.share(small);
  small->settle(false);
  EXPECT_FALSE(pool.is_worth_waiting({})) << "who opens it fills it";
  const auto larger = std::make_shared<FakeShared>(2);
  pool.share(larger);
  larger->settle(false);
  EXPECT_TRUE(pool.is_worth_waiting({}));
  pool.close();
  EXPECT_FALSE(pool.is_worth_waiting({})) << "whoever opens it keeps it to himself";
}

TEST_F(ConnectionPoolTest, TunnelsWaitUntilOneIsTold) {
  ConnectionPool pool = make_pool();
  const SharedNeed tunnel{.most_tunnels = 1};
  EXPECT_FALSE(pool.is_worth_waiting(tunnel));
  {
    const ConnectionPool::Opening opening(pool);
    EXPECT_TRUE(pool.is_worth_waiting(tunnel)) << "nobody knows what it takes";
  }
  const auto one = std::make_shared<FakeShared>(5);
  pool.share(one);
  EXPECT_TRUE(pool.is_worth_waiting(tunnel));
  one->settle(true);
  EXPECT_FALSE(pool.is_worth_waiting(tunnel));
  const ConnectionPool::Opening another(pool);
  EXPECT_FALSE(pool.is_worth_waiting(tunnel)) << "who opens it fills it";
  EXPECT_TRUE(pool.is_worth_waiting({.most_tunnels = 2}));
}

struct Wait {
  ErrorCode stopped;
  unsigned woken = 0;
  bool over = false;
};

Awaitable<> wait_twice(tls::TimerWheel& wheel, ConnectionPool& pool, tls::Cancellation& cancellation, config::OptionalDuration timeout,
                       Wait& wait) {
  tls::WaitQueue::Bound bound(wheel, timeout, cancellation);
  while (wait.woken < 2 && !bound.stopped()) {
    co_await pool.wait(bound);
    if (!bound.stopped()) ++wait.woken;
  }
  wait.stopped = bound.stopped();
  wait.over = true;
}

TEST_F(ConnectionPoolTest, WhoWaitsIsWokenByWhateverMayHelp) {
  ConnectionPool pool = make_pool();
  tls::Cancellation one, called_off, late;
  Wait first, second, third;
  const auto begin = [&](tls::Cancellation& cancellation, config::OptionalDuration timeout, Wait& wait) {
    harness_.loop.spawn(wait_twice(harness_.io.wheel, pool, cancellation, timeout, wait));
  };
  std::optional<ConnectionPool::Opening> opening(std::in_place, pool);
  begin(one, std::nullopt, first);
  begin(called_off, std::nullopt, second);
  begin(late, 30ms, third);
  harness_.settle();
  called_off.cancel(make_error_code(tls::StreamError::cancelled));
  EXPECT_TRUE(second.over);
  EXPECT_EQ(second.stopped, tls::StreamError::cancelled);
  ASSERT_TRUE(harness_.run_until([&] { return third.over; }));
  EXPECT_EQ(third.stopped, tls::StreamError::timed_out);
  EXPECT_EQ(first.woken, 0u);
  const auto link = std::make_shared<FakeShared>(1);
  pool.share(link);
  harness_.settle();
  EXPECT_EQ(first.woken, 1u);
  opening.reset();
  harness_.settle();
  EXPECT_EQ(first.woken, 2u);
  const auto idle = std::make_shared<FakeShared>(1);
  idle->idle = true;
  pool.share(idle);
  harness_.settle();
  const std::function<void()> helps[] = {[&] { link->settle(true); }, [&] { link->leave(); }, [&] { pool.take_place(); }, [&] { pool.close(); }};
  for (const auto& help : helps) {
    Wait again;
    begin(one, 50ms, again);
    harness_.settle();
    help();
    ASSERT_TRUE(harness_.run_until([&] { return again.over; }));
    EXPECT_EQ(again.woken, 1u);
  }
}

}  // namespace
}  // namespace sluice::upstream
