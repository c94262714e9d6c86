// Rates, slow clients and the lifetime of a tunnel.
#include "tests/unit/gateway/websocket/frame_bytes.h"
#include "tests/unit/gateway/websocket/tunnel_fixture.h"

namespace sluice::websocket {
namespace {

using Action = MessageRateRule::Action;
using Slow = SlowConsumerRule::Action;

std::string text(int number) { return from_client(Opcode::text, "message " + std::to_string(number)); }

class TunnelRateTest : public TunnelTest {
 protected:
  void limit(Clock::duration each, std::uint32_t burst, Action action, bool observe = false) {
    TunnelRules rules;
    rules.message_rate = MessageRateRule{each, burst, {}, action};
    rules.frames.observe = observe;
    open(rules);
  }
};

TEST_F(TunnelRateTest, TheMessageThatComesTooSoonGetsAClose) {
  limit(1h, 3, Action::close);
  client_.send(text(1) + text(2) + text(3) + text(4) + text(5));
  const std::optional<CloseFrame> to_upstream = receive_close(upstream_, text(1) + text(2) + text(3));
  ASSERT_TRUE(to_upstream);
  EXPECT_EQ(to_upstream->code, 1001u);
  upstream_.send(upstream_close(1001));
  harness_.settle();
  const std::optional<CloseFrame> close = read_close(client_.receive());
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1008u);
  EXPECT_EQ(close->reason, "client: message_rate");
  client_.send(client_close(1008));
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(ending_.summary.violation, Violation::message_rate);
  EXPECT_EQ(ending_.summary.close_code, 1008u);
}

TEST_F(TunnelRateTest, ACloseBehindWhatWasTooMuchIsSeen) {
  limit(1h, 1, Action::close);
  client_.send(text(1) + text(2) + text(3) + client_close(1000));
  harness_.settle();
  upstream_.send(upstream_close(1001));
  EXPECT_TRUE(wait_ended(1s));
}

TEST_F(TunnelRateTest, OrTheyWaitAndKeepTheirOrder) {
  limit(20ms, 2, Action::delay);
  std::string all;
  for (int i = 0; i < 12; ++i) all += text(i);
  const Clock::time_point before = Clock::now();
  client_.send(all);
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), text(0) + text(1));
  EXPECT_EQ(receive(upstream_, all.size() - 2 * text(0).size()), all.substr(2 * text(0).size()));
  EXPECT_GE(Clock::now() - before, 10 * 20ms);
  EXPECT_EQ(metrics_.to_upstream.messages.value(), 12u);
  EXPECT_EQ(metrics_.to_upstream.bytes.value(), all.size()) << "none is counted twice";
}

// Its backend takes nothing, and the rest of the frame comes with more behind it.
TEST_F(TunnelRateTest, WhatFollowsAFrameThatACloseWaitsForIsSeenThrough) {
  for (const std::string& behind : {std::string(50000, '\xff'), text(1) + text(2) + std::string(50000, '\xff')}) {
    TunnelRules rules;
    rules.message_rate = MessageRateRule{1h, 1000, {}, Action::close};
    open(rules, 0, 4096);
    const std::string frame = from_client(Opcode::binary, pattern(60000));
    client_.send(frame.substr(0, 50000));
    harness_.settle();
    tunnel_->close(1001, "bye", 5s);
    client_.send(frame.substr(50000) + behind);
    std::string seen;
    EXPECT_TRUE(harness_.run_until([&] {
      if (seen.size() < 50000) seen += upstream_.receive(50000 - seen.size());
      return seen.size() == 50000;
    }));
    harness_.settle();
    for (int i = 0; i < 5; ++i) {
      client_.send_some(std::string(100000, '\xff'));
      harness_.settle();
    }
    EXPECT_TRUE(harness_.run_until([&] {
      seen += upstream_.receive();
      return read_close(seen.substr(seen.size() - 11)).has_value();  // masked, with "bye"
    }));
    EXPECT_TRUE(seen.starts_with(frame));
    tunnel_->cut();
    harness_.settle();
  }
}

// The grace time is not for what else may come at a time.
TEST_F(TunnelRateTest, AClosingTunnelIsNotCutByItsLifetime) {
  TunnelRules rules;
  rules.max_lifetime = 50ms;
  rules.ping = {100ms, 100ms, true, true};
  open(rules);
  EXPECT_TRUE(harness_.run_until([&] { return !upstream_.receive().empty(); }));
  upstream_.finish();
  const Clock::time_point later = Clock::now() + 400ms;
  EXPECT_TRUE(harness_.run_until([&] { return Clock::now() > later; }));
  EXPECT_FALSE(ended()) << "the client has some seconds to answer";
  client_.send(client_close(1001));
  EXPECT_TRUE(wait_ended(500ms));
}

TEST_F(TunnelRateTest, WhoWaitsCanStillLeave) {
  limit(1h, 1, Action::delay);
  client_.send(text(1) + text(2) + client_close(1000));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), text(1));
  tunnel_->close(1001, "bye", 1s);
  harness_.settle();
  EXPECT_TRUE(read_close(client_.receive()));
  upstream_.send(upstream_close(1001));
  EXPECT_TRUE(wait_ended(500ms)) << "the client's Close came behind what waits";
}

TEST_F(TunnelRateTest, WhatIsOnlyObservedPassesAndIsCounted) {
  limit(1h, 2, Action::close, true);
  std::string all;
  for (int i = 0; i < 10; ++i) all += text(i);
  client_.send(all);
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), all);
  EXPECT_EQ(client_.receive(), "");
  EXPECT_THAT(harness_.registry.scrape(), ::testing::HasSubstr(R"(violations_total{route="chat",rule="message_rate",sender="client"} 8)"));
}

TEST_F(TunnelRateTest, TheBackendMaySendAsItLikes) {
  limit(1h, 1, Action::close);
  std::string all;
  for (int i = 0; i < 10; ++i) all += from_upstream(Opcode::text, "down");
  upstream_.send(all);
  harness_.settle();
  EXPECT_EQ(client_.receive(), all);
}

TEST_F(TunnelRateTest, LargeMessagesWaitAsWell) {
  limit(30ms, 1, Action::delay);
  const std::string large = from_client(Opcode::binary, pattern(80000));
  const Clock::time_point before = Clock::now();
  const std::string all = large + large + large;
  EXPECT_TRUE(carry(client_, upstream_, all) == all);
  EXPECT_GE(Clock::now() - before, 60ms);
}

class TunnelSlowTest : public TunnelTest {
 protected:
  void limit(std::size_t buffer, Slow action, std::chrono::milliseconds after = 30ms, bool observe = false, ReservedBits bits = {}) {
    auto [client_stream, client] = harness_.plain_stream(4096);
    auto [upstream_stream, upstream] = harness_.plain_stream();
    client_ = std::move(client);
    upstream_ = std::move(upstream);
    TunnelOpening opening;
    auto rules = std::make_shared<TunnelRules>();
    rules->slow_consumer = {buffer, action, after};
    rules->frames.observe = observe;
    opening.rules = rules;
    opening.reserved_bits = bits;
    auto tunnel = std::make_unique<Tunnel>(std::move(client_stream), std::move(upstream_stream), opening, metrics_,
                                           std::make_unique<Observer>(ending_));
    tunnel_ = tunnel.get();
    set_.add(std::move(tunnel));
  }
  static std::string number(int i) {
    std::string payload = std::to_string(i);
    payload.resize(1000, '.');
    return from_upstream(Opcode::text, payload);
  }
  // The backend sends numbered messages, as many as are taken, until `done`.
  void flood(const std::function<bool()>& done) {
    ASSERT_TRUE(harness_.run_until([&] {
      if (left_.empty()) left_ = number(sent_++);
      left_.erase(0, upstream_.send_some(left_));
      return done();
    }));
  }
  std::uint64_t held() { return harness_.held.held(); }

  std::string left_;
  int sent_ = 0;
};

TEST_F(TunnelSlowTest, TheBackendWaitsOnceTheBufferIsFull) {
  limit(256 * 1024, Slow::pause);
  flood([&] { return metrics_.to_client.pauses.value() == 1; });
  EXPECT_GT(held(), 128u * 1024);
  EXPECT_LE(held(), 256u * 1024);
  std::string seen;
  const std::size_t all = static_cast<std::size_t>(sent_) * number(0).size() - left_.size();
  EXPECT_TRUE(harness_.run_until([&] { return (seen += client_.receive()).size() >= all; }));
  EXPECT_EQ(seen.substr(0, number(0).size()), number(0));
  EXPECT_EQ(metrics_.dropped.value(), 0u);
  EXPECT_EQ(held(), 0u);
}

TEST_F(TunnelSlowTest, ASmallBufferIsKeptTo) {
  limit(8 * 1024, Slow::pause);
  flood([&] { return metrics_.to_client.pauses.value() == 1; });
  EXPECT_LE(held(), 8u * 1024);
}

TEST_F(TunnelSlowTest, WholeMessagesAreDroppedUntilTheClientIsBack) {
  limit(64 * 1024, Slow::drop);
  flood([&] { return metrics_.dropped.value() > 1000; });
  EXPECT_LE(held(), 128u * 1024);
  const int last_dropped = sent_;
  std::string seen;
  flood([&] {
    seen += client_.receive();
    return seen.size() > 400000;
  });
  // Whole messages in their order, some missing.
  int previous = -1, count = 0, gaps = 0;
  for (std::size_t at = 0; at + number(0).size() <= seen.size(); at += number(0).size()) {
    const int i = std::stoi(seen.substr(at + 4, 10));
    ASSERT_EQ(seen.substr(at, number(0).size()), number(i));
    ASSERT_GT(i, previous);
    gaps += i != previous + 1;
    previous = i;
    ++count;
  }
  EXPECT_GT(previous, last_dropped) << "it gets messages again";
  EXPECT_GE(gaps, 1);
  EXPECT_GT(count, 100);
}

TEST_F(TunnelSlowTest, NothingIsDroppedWhereMessagesDependOnEachOther) {
  limit(64 * 1024, Slow::drop, 20ms, false, {0x40, false});
  flood([&] { return metrics_.to_client.pauses.value() == 1; });
  const Clock::time_point later = Clock::now() + 100ms;
  EXPECT_TRUE(harness_.run_until([&] { return Clock::now() > later; }));
  EXPECT_EQ(metrics_.dropped.value(), 0u);
}

TEST_F(TunnelSlowTest, AClientThatHasRoomIsNotSlow) {
  limit(512 * 1024, Slow::close, 100ms);
  flood([&] { return metrics_.to_client.pauses.value() == 1; });
  const Clock::time_point later = Clock::now() + 600ms;
  Clock::time_point next = Clock::now();
  flood([&] {
    if (Clock::now() >= next) {
      client_.receive(4000);
      next += 10ms;
    }
    return Clock::now() > later;
  });
  EXPECT_EQ(upstream_.receive(), "") << "it takes 40 KB in each 100 ms";
  EXPECT_GT(held(), 256u * 1024) << "and was never done";
}

TEST_F(TunnelSlowTest, OrTheClientGetsAClose) {
  limit(64 * 1024, Slow::close);
  std::string at_upstream;
  flood([&] { return !(at_upstream += upstream_.receive()).empty(); });
  EXPECT_EQ(read_close(at_upstream)->code, 1001u);
  EXPECT_TRUE(wait_ended(7s)) << "the client never reads";
  EXPECT_EQ(ending_.summary.violation, Violation::slow_consumer);
  EXPECT_EQ(ending_.summary.violator, Party::client);
  EXPECT_EQ(ending_.summary.close_code, 1013u);
}

TEST_F(TunnelSlowTest, ObservingOnlyCounts) {
  limit(64 * 1024, Slow::close, 20ms, true);
  flood([&] { return harness_.registry.scrape().find(R"(rule="slow_consumer",sender="client"} 1)") != std::string::npos; });
  EXPECT_EQ(upstream_.receive(), "");
  EXPECT_FALSE(ended());
}

TEST_F(TunnelSlowTest, AClientThatIsBackInTimeIsLeftAlone) {
  limit(64 * 1024, Slow::close, 2s);
  flood([&] { return metrics_.to_client.pauses.value() == 1; });
  for (std::uint64_t i = 2; i < 20; ++i) {
    EXPECT_TRUE(harness_.run_until([&] { return !client_.receive().empty() && held() == 0; }));
    flood([&] { return metrics_.to_client.pauses.value() == i; });
  }
  EXPECT_EQ(upstream_.receive(), "");
}

TEST_F(TunnelTest, ATunnelThatHasLivedForLongEnoughIsClosed) {
  TunnelRules rules;
  rules.max_lifetime = 60ms;
  open(rules);
  EXPECT_TRUE(harness_.run_until([&] {
    client_.send(from_client(Opcode::text, "busy"));
    return upstream_.receive().find("max_lifetime") != std::string::npos || !client_.receive().empty();
  }));
  client_.finish();
  upstream_.finish();
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(ending_.summary.close_code, 1001u);
  EXPECT_EQ(ending_.summary.close_initiator, Party::gateway);
}

}  // namespace
}  // namespace sluice::websocket
