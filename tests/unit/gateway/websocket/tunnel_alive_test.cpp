// Pings of the gateway's own.
#include "tests/unit/gateway/websocket/frame_bytes.h"
#include "tests/unit/gateway/websocket/tunnel_fixture.h"

namespace sluice::websocket {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TunnelAliveTest : public TunnelTest {
 protected:
  void ask(bool client, bool upstream, std::chrono::milliseconds interval = 60ms, std::chrono::milliseconds timeout = 60ms) {
    TunnelRules rules;
    rules.ping = {interval, timeout, client, upstream};
    open(rules);
  }
  // The payload of a Ping, unmasked, if that is all there is.
  static std::optional<std::string> ping_in(std::string_view bytes, bool masked) {
    if (bytes.size() != (masked ? 14u : 10u) || bytes[0] != static_cast<char>(0x89)) return std::nullopt;
    std::string payload(bytes.substr(masked ? 6 : 2));
    for (std::size_t i = 0; masked && i < payload.size(); ++i) payload[i] = static_cast<char>(payload[i] ^ bytes[2 + i % 4]);
    return payload;
  }
  std::string wait_for_bytes(Peer& peer) {
    std::string bytes;
    EXPECT_TRUE(harness_.run_until([&] {
      bytes += peer.receive();
      return !bytes.empty();
    }));
    return bytes;
  }
};

TEST_F(TunnelAliveTest, APongToOurPingIsSwallowedAndMeasured) {
  ask(true, false);
  const std::optional<std::string> payload = ping_in(wait_for_bytes(client_), false);
  ASSERT_TRUE(payload);
  client_.send(from_client(Opcode::text, "a") + from_client(Opcode::pong, *payload) + from_client(Opcode::pong, "own") + from_client(Opcode::text, "b"));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), from_client(Opcode::text, "a") + from_client(Opcode::pong, "own") + from_client(Opcode::text, "b"));
  EXPECT_GT(metrics_.client.round_trip.sum(), 0);
}

TEST_F(TunnelAliveTest, TheBackendIsAskedInMaskedFrames) {
  ask(false, true);
  const std::string bytes = wait_for_bytes(upstream_);
  EXPECT_EQ(static_cast<unsigned char>(bytes[1]), 0x88);
  const std::optional<std::string> payload = ping_in(bytes, true);
  ASSERT_TRUE(payload);
  upstream_.send(from_upstream(Opcode::pong, *payload));
  harness_.settle();
  EXPECT_EQ(client_.receive(), "");
  EXPECT_GT(metrics_.upstream.round_trip.sum(), 0);
}

TEST_F(TunnelAliveTest, WhoAnswersStays) {
  ask(true, true);
  int answers = 0;
  EXPECT_TRUE(harness_.run_until([&] {
    if (const auto payload = ping_in(client_.receive(), false)) {
      client_.send(from_client(Opcode::pong, *payload));
      ++answers;
    }
    if (const auto payload = ping_in(upstream_.receive(), true)) upstream_.send(from_upstream(Opcode::pong, *payload));
    return answers == 5;
  }));
  EXPECT_FALSE(ended());
}

TEST_F(TunnelAliveTest, AClientThatIsSilentIsGoneAndTheBackendIsTold) {
  ask(true, false);
  const std::string bytes = wait_for_bytes(upstream_);
  const std::optional<CloseFrame> close = read_close(bytes);
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1001u);
  EXPECT_EQ(close->reason, "client: no answer to a Ping");
  const std::string to_client = client_.receive();
  EXPECT_EQ(read_close(to_client.substr(10))->code, 1011u) << "it is told, if it should hear";
  upstream_.send(upstream_close(1001));
  ASSERT_TRUE(wait_ended(1s)) << "of the client nothing is awaited";
  EXPECT_EQ(ending_.summary.failure, tls::StreamError::ping_timeout);
  EXPECT_EQ(ending_.summary.close_code, 1011u);
  EXPECT_EQ(metrics_.client.vanished.value(), 1u);
  EXPECT_EQ(metrics_.upstream.vanished.value(), 0u);
}

TEST_F(TunnelAliveTest, ABackendThatIsSilentIsGoneAndTheClientIsTold) {
  ask(false, true);
  const std::optional<CloseFrame> close = read_close(wait_for_bytes(client_));
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1011u);
  client_.send(client_close(1011));
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(metrics_.upstream.vanished.value(), 1u);
}

// It sends, and never answers: it is there.
TEST_F(TunnelAliveTest, AnyBytesAreASignOfLife) {
  ask(true, false);
  int pings = 0;
  EXPECT_TRUE(harness_.run_until([&] {
    if (ping_in(client_.receive(), false)) {
      ++pings;
      client_.send(from_client(Opcode::text, "busy"));
    }
    return pings == 4;
  }));
  EXPECT_FALSE(ended());
}

TEST_F(TunnelAliveTest, APongThatIsLateDoesNotPassAndIsNotMeasured) {
  ask(true, false);
  const std::optional<std::string> first = ping_in(wait_for_bytes(client_), false);
  client_.send(from_client(Opcode::text, "busy"));
  const std::optional<std::string> second = ping_in(wait_for_bytes(client_), false);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(upstream_.receive(), from_client(Opcode::text, "busy"));
  client_.send(from_client(Opcode::pong, *first));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), "");
  EXPECT_EQ(metrics_.client.round_trip.sum(), 0);
  client_.send(from_client(Opcode::pong, *second));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), "");
  EXPECT_GT(metrics_.client.round_trip.sum(), 0);
}

TEST_F(TunnelAliveTest, NoPingInTheMiddleOfAFrame) {
  ask(true, false, 40ms, 40ms);
  const std::string down = from_upstream(Opcode::binary, pattern(300));
  upstream_.send(down.substr(0, 100));
  std::string seen;
  const Clock::time_point later = Clock::now() + 200ms;
  EXPECT_TRUE(harness_.run_until([&] {
    seen += client_.receive();
    return Clock::now() > later;
  }));
  EXPECT_EQ(seen, down.substr(0, 100));
  EXPECT_FALSE(ended()) << "it was never asked";
  upstream_.send(down.substr(100));
  seen.clear();
  EXPECT_TRUE(harness_.run_until([&] {
    seen += client_.receive();
    return seen.size() >= down.size() - 100 + 10;
  }));
  EXPECT_EQ(seen.substr(0, down.size() - 100), down.substr(100));
  EXPECT_TRUE(ping_in(std::string_view(seen).substr(down.size() - 100, 10), false));
}

// The client may answer the later of two Pings only, and the backend waits for the answer to its own.
TEST_F(TunnelAliveTest, APingOfTheBackendsThatWaitsForItsAnswerStandsForOurs) {
  ask(true, false, 100ms, 100ms);
  upstream_.send(from_upstream(Opcode::ping, "backend's"));
  harness_.settle();
  EXPECT_EQ(client_.receive(), from_upstream(Opcode::ping, "backend's"));
  ASSERT_TRUE(harness_.run_until([&] { return metrics_.client.vanished.value() == 1; }));
  EXPECT_TRUE(read_close(client_.receive())) << "no Ping of ours in between";
}

TEST_F(TunnelAliveTest, AClientThatTakesWhatWasSentHasTime) {
  TunnelRules rules;
  rules.ping = {100ms, 100ms, true, false};
  open(rules, 4096);
  const std::string down = from_upstream(Opcode::binary, pattern(1 << 20));
  std::size_t sent = 0;
  std::string seen;
  const Clock::time_point later = Clock::now() + 500ms;
  Clock::time_point next = Clock::now();
  EXPECT_TRUE(harness_.run_until([&] {
    sent += upstream_.send_some(std::string_view(down).substr(sent));
    if (Clock::now() >= next) {
      seen += client_.receive(8000);
      next += 10ms;
    }
    return Clock::now() > later || ended();
  }));
  EXPECT_EQ(metrics_.client.vanished.value(), 0u);
  EXPECT_EQ(seen, down.substr(0, seen.size())) << "never a Ping in the middle of a frame";
}

TEST_F(TunnelAliveTest, OneThatTakesNothingAnyMoreIsGone) {
  TunnelRules rules;
  rules.ping = {50ms, 50ms, true, false};
  open(rules, 4096);
  const std::string down = from_upstream(Opcode::binary, pattern(60000));
  std::size_t sent = 0;
  ASSERT_TRUE(harness_.run_until([&] {
    if (sent < 40 * down.size()) sent += upstream_.send_some(std::string_view(down).substr(sent % down.size()));
    return metrics_.client.vanished.value() == 1;
  }));
}

TEST_F(TunnelAliveTest, AClientThatTheGatewayDoesNotReadIsNotGone) {
  TunnelRules rules;
  rules.ping = {50ms, 50ms, true, false};
  rules.message_rate = MessageRateRule{1h, 1, {}, MessageRateRule::Action::delay};
  open(rules);
  client_.send(from_client(Opcode::text, "one") + from_client(Opcode::text, "waits"));
  const Clock::time_point later = Clock::now() + 300ms;
  EXPECT_TRUE(harness_.run_until([&] {
    if (const auto payload = ping_in(client_.receive(), false)) client_.send(from_client(Opcode::pong, *payload));
    return Clock::now() > later;
  }));
  EXPECT_FALSE(ended());
  EXPECT_EQ(metrics_.client.vanished.value(), 0u);
}

TEST_F(TunnelAliveTest, OrBecauseItsBackendDoesNotRead) {
  TunnelRules rules;
  rules.ping = {50ms, 50ms, true, false};
  open(rules, 0, 4096);
  const std::string up = from_client(Opcode::binary, pattern(200000));
  std::size_t sent = 0;
  const Clock::time_point later = Clock::now() + 300ms;
  EXPECT_TRUE(harness_.run_until([&] {
    sent += client_.send_some(std::string_view(up).substr(sent));
    client_.receive();
    return Clock::now() > later;
  }));
  EXPECT_GE(metrics_.to_upstream.pauses.value(), 1u);
  EXPECT_EQ(metrics_.client.vanished.value(), 0u);
}

TEST_F(TunnelAliveTest, NobodyIsAskedThroughAnEndThatWasPassedOn) {
  ask(true, true);
  upstream_.finish();
  harness_.settle();
  const Clock::time_point later = Clock::now() + 250ms;
  EXPECT_TRUE(harness_.run_until([&] { return Clock::now() > later; }));
  client_.send(from_client(Opcode::text, "still"));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), from_client(Opcode::text, "still"));
  EXPECT_FALSE(ended());
}

TEST_F(TunnelAliveTest, AnswersDoNotCountAgainstARate) {
  TunnelRules rules;
  rules.ping = {50ms, 50ms, true, false};
  rules.message_rate = MessageRateRule{1h, 1, {}, MessageRateRule::Action::close};
  open(rules);
  int answers = 0;
  EXPECT_TRUE(harness_.run_until([&] {
    if (const auto payload = ping_in(client_.receive(), false)) {
      client_.send(from_client(Opcode::pong, *payload));
      ++answers;
    }
    return answers == 4;
  }));
  upstream_.send(from_upstream(Opcode::ping, "a") + from_upstream(Opcode::ping, "b"));
  harness_.settle();
  client_.receive();
  client_.send(from_client(Opcode::pong, "a") + from_client(Opcode::pong, "b") + from_client(Opcode::text, "one"));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), from_client(Opcode::pong, "a") + from_client(Opcode::pong, "b") + from_client(Opcode::text, "one"));
}

TEST_F(TunnelAliveTest, NobodyIsAskedAfterAClose) {
  ask(true, true);
  client_.send(client_close(1000));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), client_close(1000));
  const Clock::time_point later = Clock::now() + 250ms;
  EXPECT_TRUE(harness_.run_until([&] { return Clock::now() > later; }));
  EXPECT_EQ(upstream_.receive() + client_.receive(), "");
  EXPECT_FALSE(ended());
}

}  // namespace
}  // namespace sluice::websocket
