// Ends that come from the gateway: its Close, idleness, and all tunnels of a worker at once.
#include "gateway/websocket/tunnel.h"

#include "tests/unit/gateway/websocket/tunnel_fixture.h"

namespace sluice::websocket {
namespace {

// ---- our own Close
// -------------------------------------------------------------------------------------------------

TEST_F(TunnelTest, CloseGoesToBothSidesAndWaitsForBothAnswers) {
  open();
  tunnel_->close(1001, "bye", 5s);
  const std::optional<CloseFrame> to_client = read_close(client_.receive());
  const std::optional<CloseFrame> to_upstream = read_close(upstream_.receive());
  ASSERT_TRUE(to_client && to_upstream);
  EXPECT_EQ(to_client->code, 1001u);
  EXPECT_EQ(to_client->reason, "bye");
  EXPECT_FALSE(to_client->masked);
  EXPECT_EQ(to_upstream->code, 1001u);
  EXPECT_EQ(to_upstream->reason, "bye");
  EXPECT_TRUE(to_upstream->masked);
  client_.send(client_close(1001));
  harness_.settle();
  EXPECT_FALSE(ended());
  upstream_.send(upstream_close(1001));
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(upstream_.receive(), "") << "the answers are for us";
  EXPECT_EQ(client_.receive(), "");
  EXPECT_TRUE(client_.ended());
  EXPECT_TRUE(upstream_.ended());
  EXPECT_EQ(ending_.summary.close_code, 1001u);
  EXPECT_EQ(ending_.summary.close_initiator, Party::gateway);
  EXPECT_EQ(ending_.summary.close_reason, "bye");
}

TEST_F(TunnelTest, AnEndInsteadOfAnAnswerWillDo) {
  open();
  tunnel_->close(1001, "", 5s);
  client_.finish();
  upstream_.send(upstream_close(1001));
  upstream_.finish();
  ASSERT_TRUE(wait_ended(1s));
}

TEST_F(TunnelTest, WhatComesBehindOurCloseIsThrownAway) {
  open();
  tunnel_->close(1001, "", 5s);
  client_.receive();
  upstream_.receive();
  client_.send(from_client(Opcode::text, "nobody reads this"));
  upstream_.send(from_upstream(Opcode::text, "nor this"));
  harness_.settle();
  EXPECT_EQ(client_.receive(), "");
  EXPECT_EQ(upstream_.receive(), "");
  client_.send(client_close(1001));
  upstream_.send(upstream_close(1001));
  EXPECT_TRUE(wait_ended(1s));
}

// Whichever byte of a frame has just passed: the frame is completed, then comes our Close, and nothing else.
TEST_F(TunnelTest, CloseWaitsForTheFrameBoundary) {
  const std::string up = from_client(Opcode::binary, pattern(300));
  const std::string down = from_upstream(Opcode::binary, pattern(300));
  for (const std::size_t passed : {8u, 9u, 150u, 303u}) {
    open();
    client_.send(up.substr(0, passed));
    upstream_.send(down.substr(0, passed));
    harness_.settle();
    tunnel_->close(1001, "", 5s);
    EXPECT_EQ(upstream_.receive(), up.substr(0, passed)) << passed;
    EXPECT_EQ(client_.receive(), down.substr(0, passed)) << passed;
    client_.send(up.substr(passed, 1));
    upstream_.send(down.substr(passed, 1));
    harness_.settle();
    client_.send(up.substr(passed + 1));
    upstream_.send(down.substr(passed + 1));
    harness_.settle();
    const std::string at_upstream = upstream_.receive();
    const std::string at_client = client_.receive();
    EXPECT_EQ(at_upstream.substr(0, up.size() - passed), up.substr(passed)) << passed;
    EXPECT_EQ(at_client.substr(0, down.size() - passed), down.substr(passed)) << passed;
    EXPECT_TRUE(read_close(at_upstream.substr(up.size() - passed))) << passed;
    EXPECT_TRUE(read_close(at_client.substr(down.size() - passed))) << passed;
    client_.send(client_close(1001));
    upstream_.send(upstream_close(1001));
    EXPECT_TRUE(wait_ended(1s)) << passed;
  }
}

// Of which nothing has passed yet.
TEST_F(TunnelTest, AHeaderThatIsNotWholeYieldsToOurClose) {
  const std::string up = from_client(Opcode::binary, pattern(300));
  for (const std::size_t came : {1u, 2u, 3u, 7u}) {
    open();
    client_.send(up.substr(0, came));
    harness_.settle();
    tunnel_->close(1001, "", 5s);
    EXPECT_TRUE(read_close(upstream_.receive())) << came;
    client_.send(up.substr(came) + client_close(1001));
    harness_.settle();
    EXPECT_EQ(upstream_.receive(), "") << came;
    upstream_.send(upstream_close(1001));
    EXPECT_TRUE(wait_ended(1s)) << came << ": the client's Close is found behind its frame";
  }
}

TEST_F(TunnelTest, CloseInMidFrameDoesNotLetHalfOfTheNextFrameThrough) {
  open();
  const std::string first = from_client(Opcode::text, "first");
  const std::string second = from_client(Opcode::text, "second");
  client_.send(first.substr(0, 7));
  harness_.settle();
  tunnel_->close(1001, "", 5s);
  upstream_.receive();
  client_.send(first.substr(7) + second.substr(0, 8));
  harness_.settle();
  const std::string received = upstream_.receive();
  EXPECT_EQ(received.substr(0, first.size() - 7), first.substr(7));
  EXPECT_TRUE(read_close(received.substr(first.size() - 7)));
  client_.send(second.substr(8) + client_close(1001));
  upstream_.send(upstream_close(1001));
  EXPECT_TRUE(wait_ended(1s)) << "the client's Close is found behind the frame that was cut off";
}

// Of which the rest is spliced.
TEST_F(TunnelTest, CloseInMidOfALargeFrameComesBehindIt) {
  for (const std::size_t passed : {14u, 3000u, 100u * 1024}) {
    open();
    const std::string large = from_client(Opcode::binary, pattern(150 * 1024));
    EXPECT_TRUE(carry(client_, upstream_, large.substr(0, passed)) == large.substr(0, passed));
    tunnel_->close(1001, "", 5s);
    const std::string rest = large.substr(passed);
    std::string received = carry(client_, upstream_, rest);
    harness_.settle();
    received += upstream_.receive();
    EXPECT_TRUE(received.substr(0, rest.size()) == rest) << passed;
    EXPECT_TRUE(read_close(received.substr(rest.size()))) << passed;
    client_.send(large.substr(0, 5000) + client_close(1001));
    harness_.settle();
    EXPECT_EQ(upstream_.receive(), "") << "nothing follows our Close";
    tunnel_->cut();
  }
}

TEST_F(TunnelTest, CloseBetweenTheFragmentsOfAMessage) {
  open();
  const std::string fragment = frame(Opcode::text, "begin", true, false);
  client_.send(fragment);
  harness_.settle();
  tunnel_->close(1001, "", 5s);
  EXPECT_TRUE(read_close(upstream_.receive().substr(fragment.size())));
}

TEST_F(TunnelTest, AFrameThatEndsWithTheSendersCloseNeedsNoneOfOurs) {
  open();
  const std::string up = from_client(Opcode::text, "hello") + client_close(1000);
  client_.send(up.substr(0, 7));
  harness_.settle();
  tunnel_->close(1001, "", 5s);
  client_.send(up.substr(7));
  upstream_.send(upstream_close(1001));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), up);
  EXPECT_TRUE(wait_ended(1s));
}

TEST_F(TunnelTest, WhoHasSaidCloseGetsOursAsTheAnswer) {
  open();
  client_.send(client_close(1000));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), client_close(1000));
  tunnel_->close(1001, "bye", 5s);
  EXPECT_TRUE(read_close(client_.receive()));
  EXPECT_EQ(upstream_.receive(), "") << "it has had one";
  upstream_.send(upstream_close(1000));
  upstream_.finish();
  harness_.settle();
  EXPECT_EQ(client_.receive(), "") << "and the client as well";
  client_.finish();
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(ending_.summary.close_code, 1000u);
  EXPECT_EQ(ending_.summary.close_initiator, Party::client);
  EXPECT_EQ(ending_.summary.close_reason, "") << "the gateway's own was not the first";
}

TEST_F(TunnelTest, WithoutAnswersTheGraceTimeEndsIt) {
  open();
  const Clock::time_point start = Clock::now();
  tunnel_->close(1001, "", 80ms);
  ASSERT_TRUE(wait_ended());
  EXPECT_GE(Clock::now() - start, 80ms);
  EXPECT_EQ(ending_.summary.close_code, 1001u);
}

TEST_F(TunnelTest, AFrameThatNeverEndsDoesNotOutliveTheGraceTime) {
  open();
  client_.send(from_client(Opcode::text, "hello").substr(0, 5));
  harness_.settle();
  const Clock::time_point start = Clock::now();
  tunnel_->close(1001, "", 80ms);
  ASSERT_TRUE(wait_ended());
  EXPECT_GE(Clock::now() - start, 80ms);
}

TEST_F(TunnelTest, ASecondCloseChangesNothing) {
  open();
  tunnel_->close(1001, "first", 5s);
  tunnel_->close(1012, "second", 1ms);
  const std::optional<CloseFrame> close = read_close(client_.receive());
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1001u);
  harness_.run_for(100ms);
  EXPECT_FALSE(ended());
}

TEST_F(TunnelTest, OurCloseStandsBehindBytesThatWaitForASlowClient) {
  open({}, 8 * 1024);
  const std::string down = from_upstream(Opcode::binary, pattern(60000));
  upstream_.send(down);
  harness_.settle();
  EXPECT_GT(harness_.held.held(), 0u);
  tunnel_->close(1001, "", 5s);
  upstream_.receive();
  upstream_.send(upstream_close(1001));
  client_.send(client_close(1001));  // it has not read ours yet
  harness_.settle();
  const std::string received = receive(client_, down.size() + 4);
  EXPECT_EQ(received.substr(0, down.size()), down);
  EXPECT_TRUE(read_close(received.substr(down.size())));
  EXPECT_TRUE(wait_ended(1s));
}

// ---- idleness
// ------------------------------------------------------------------------------------------------------

TEST_F(TunnelTest, AnIdleTunnelIsClosed) {
  const Clock::time_point start = Clock::now();
  open({100ms});
  std::string bytes;
  ASSERT_TRUE(harness_.run_until([&] {
    bytes += client_.receive();
    return !bytes.empty();
  }));
  EXPECT_GE(Clock::now() - start, 100ms);
  const std::optional<CloseFrame> close = read_close(bytes);
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1001u);
  EXPECT_TRUE(read_close(upstream_.receive()));
  client_.send(client_close(1001));
  upstream_.send(upstream_close(1001));
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(ending_.summary.close_initiator, Party::gateway);
}

TEST_F(TunnelTest, PingsDoNotCountAsTraffic) {
  open({150ms});
  std::string at_client;
  ASSERT_TRUE(harness_.run_until(
      [&] {
        client_.send_some(from_client(Opcode::ping, "beat"));
        upstream_.send_some(from_upstream(Opcode::pong, "beat"));
        harness_.run_for(20ms);
        at_client = client_.receive();
        return at_client.find('\x88') != std::string::npos;
      },
      3s));
}

TEST_F(TunnelTest, DataFramesEitherWayKeepItOpen) {
  for (const bool up : {true, false}) {
    open({600ms});
    const Clock::time_point start = Clock::now();
    while (Clock::now() - start < 1500ms) {
      if (up) {
        client_.send(from_client(Opcode::text, "x"));
      } else {
        upstream_.send(from_upstream(Opcode::text, "x"));
      }
      harness_.run_for(30ms);
      ASSERT_EQ((up ? client_ : upstream_).receive(), "");
    }
    EXPECT_FALSE(ended());
    tunnel_->cut();
  }
}

// One huge frame shows no frame boundary for a long time, but its payload is data.
TEST_F(TunnelTest, PayloadOfAFrameUnderWayKeepsItOpen) {
  open({600ms});
  const std::string huge = from_client(Opcode::binary, std::string(100000, 'x'));
  std::size_t sent = 0;
  const Clock::time_point start = Clock::now();
  while (Clock::now() - start < 1500ms) {
    client_.send(huge.substr(sent, 100));
    sent += 100;
    harness_.run_for(30ms);
    ASSERT_EQ(client_.receive(), "");
  }
  EXPECT_FALSE(ended());
}

TEST_F(TunnelTest, AHalfClosedTunnelWithTrafficIsNotIdle) {
  open({600ms});
  client_.finish();
  const Clock::time_point start = Clock::now();
  while (Clock::now() - start < 1500ms) {
    ASSERT_FALSE(ended()) << "cut in the middle of the backend's data";
    upstream_.send(from_upstream(Opcode::text, "x"));
    harness_.run_for(30ms);
  }
  EXPECT_FALSE(ended());
}

TEST_F(TunnelTest, AHalfClosedTunnelWithoutTrafficEndsAfterTheIdleTimeout) {
  open({100ms});
  client_.finish();
  EXPECT_TRUE(wait_ended(2s));
}

// ---- leaving

TEST_F(TunnelTest, ItLeavesWithinItsTimeWithItsCode) {
  open({.idle_timeout = {}, .leave_code = 4001, .leave_within = 50ms});
  tunnel_->leave();
  tunnel_->leave();
  std::string at_client;
  EXPECT_TRUE(harness_.run_until([&] { return !(at_client += client_.receive()).empty(); }, 500ms));
  EXPECT_EQ(read_close(at_client)->code, 4001u);
  EXPECT_EQ(read_close(upstream_.receive())->code, 4001u);
  client_.send(client_close(4001));
  upstream_.send(upstream_close(4001));
  EXPECT_TRUE(wait_ended(1s));
  EXPECT_EQ(ending_.summary.close_initiator, Party::gateway);
}

// Idleness is watched by the same timer.
TEST_F(TunnelTest, OneThatWillLeaveCarriesOnUntilThenAndMayBeIdleBefore) {
  open({.idle_timeout = {}, .leave_code = 1012, .leave_within = 3600s});
  tunnel_->leave();
  const std::string up = from_client(Opcode::text, "still here");
  EXPECT_EQ(carry(client_, upstream_, up), up);
  harness_.run_for(60ms);
  EXPECT_FALSE(ended());
  tunnel_->cut();

  open({.idle_timeout = 40ms, .leave_code = 1012, .leave_within = 3600s});
  tunnel_->leave();
  std::string at_client;
  EXPECT_TRUE(harness_.run_until([&] { return !(at_client += client_.receive()).empty(); }, 1s));
  EXPECT_EQ(read_close(at_client)->code, 1001u);
}

TEST_F(TunnelTest, OneThatLeavesAtOnce) {
  open({.idle_timeout = {}, .leave_code = 1012, .leave_within = 0ms});
  tunnel_->leave();
  EXPECT_EQ(read_close(client_.receive())->code, 1012u);
}

// A set of endpoints that goes on changing tells a tunnel again and again.
TEST_F(TunnelTest, OneThatIsToldAgainKeepsItsMoment) {
  open({.idle_timeout = {}, .leave_code = 1012, .leave_within = 3600s});
  for (int i = 0; i < 1'000'000; ++i) tunnel_->leave();  // of so many draws some would be within the next 40 ms
  harness_.run_for(40ms);
  EXPECT_EQ(client_.receive(), "");
}

TEST_F(TunnelTest, ADrainMayLeaveLessTime) {
  open({.idle_timeout = {}, .leave_code = 1012, .leave_within = 3600s});
  tunnel_->leave();
  tunnel_->leave(0ms);
  EXPECT_EQ(read_close(client_.receive())->code, 1012u);
}

TEST_F(TunnelTest, OneThatMovesHasATimeOfItsOwnAndIsCounted) {
  open({.idle_timeout = {}, .leave_code = 1012, .leave_within = 3600s});
  tunnel_->move(20ms);
  std::string at_client;
  EXPECT_TRUE(harness_.run_until([&] { return !(at_client += client_.receive()).empty(); }, 500ms));
  EXPECT_EQ(read_close(at_client)->code, 1012u);
  EXPECT_EQ(metrics_.moved.value(), 1u);
}

TEST_F(TunnelTest, AMoveCanBeCalledOffAndALeaveCannot) {
  open({.idle_timeout = {}, .leave_code = 1012, .leave_within = 20ms});
  EXPECT_FALSE(tunnel_->stay());
  EXPECT_TRUE(tunnel_->move(3600s));
  EXPECT_FALSE(tunnel_->move(0ms));
  EXPECT_TRUE(tunnel_->stay());
  EXPECT_TRUE(tunnel_->move(3600s)) << "it was called off";
  tunnel_->leave();  // its endpoint is gone: within leave_within
  EXPECT_FALSE(tunnel_->stay());
  std::string at_client;
  EXPECT_TRUE(harness_.run_until([&] { return !(at_client += client_.receive()).empty(); }, 500ms));
  EXPECT_EQ(metrics_.moved.value(), 0u);
}

TEST_F(TunnelTest, WithoutIdleTimeoutItStays) {
  open();
  harness_.run_for(200ms);
  EXPECT_FALSE(ended());
}

// ---- the set
// -------------------------------------------------------------------------------------------------------

struct Open {
  Peer client, upstream;
  Ending ending;
};

class TunnelSetTest : public TunnelTest {
 protected:
  // Adds one of several; `open` outlives it.
  void add_one(Open& one) {
    auto [client_stream, client] = harness_.plain_stream();
    auto [upstream_stream, upstream] = harness_.plain_stream();
    one.client = std::move(client);
    one.upstream = std::move(upstream);
    set_.add(std::make_unique<Tunnel>(std::move(client_stream), std::move(upstream_stream), TunnelOpening{std::make_shared<TunnelRules>()},
                                      metrics_, std::make_unique<Observer>(one.ending)));
    harness_.settle();
  }
};

TEST_F(TunnelSetTest, ClosesAllPolitely) {
  std::vector<Open> all(5);
  for (Open& one : all) add_one(one);
  EXPECT_EQ(metrics_.tunnels_open.value(), 5);
  all[1].client.finish();
  all[1].upstream.finish();
  ASSERT_TRUE(harness_.run_until([&] { return all[1].ending.told > 0; }));
  set_.leave_all({1001, "shutting down"}, 30ms);
  harness_.run_for(100ms);
  for (Open& one : all) {
    if (&one == &all[1]) continue;
    EXPECT_TRUE(read_close(one.client.receive()));
    EXPECT_TRUE(read_close(one.upstream.receive()));
    EXPECT_FALSE(set_.empty());
    one.client.send(client_close(1001));
    one.upstream.send(upstream_close(1001));
    ASSERT_TRUE(harness_.run_until([&] { return one.ending.told > 0; }));
  }
  EXPECT_TRUE(set_.empty());
  EXPECT_EQ(metrics_.tunnels_open.value(), 0);
}

TEST_F(TunnelSetTest, OneThatComesWhileAllAreClosedIsClosedToo) {
  set_.leave_all({1001, "shutting down"}, 3ms);
  Open late;
  add_one(late);
  EXPECT_TRUE(read_close(late.client.receive()));
  EXPECT_TRUE(read_close(late.upstream.receive()));
  set_.cut_all();
}

TEST_F(TunnelSetTest, CutsAll) {
  std::vector<Open> all(3);
  for (Open& one : all) add_one(one);
  set_.cut_all();
  EXPECT_TRUE(set_.empty());
  for (Open& one : all) {
    EXPECT_EQ(one.ending.told, 1);
    EXPECT_TRUE(one.client.ended());
  }
}

TEST_F(TunnelSetTest, TunnelsGoWithTheirSet) {
  Open one;
  {
    TunnelSet own(harness_.loop);
    auto [client_stream, client] = harness_.plain_stream();
    auto [upstream_stream, upstream] = harness_.plain_stream();
    one.client = std::move(client);
    own.add(std::make_unique<Tunnel>(std::move(client_stream), std::move(upstream_stream), TunnelOpening{std::make_shared<TunnelRules>()},
                                     metrics_, std::make_unique<Observer>(one.ending)));
    harness_.settle();
  }
  EXPECT_TRUE(one.ending.observer_gone);
  EXPECT_TRUE(one.client.ended());
  EXPECT_EQ(metrics_.tunnels_open.value(), 0);
}

}  // namespace
}  // namespace sluice::websocket
