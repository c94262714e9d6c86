// What a side must not send: nothing of it passes, and both sides are told. Each rule: frame_rules_test.cpp.
#include "tests/unit/gateway/websocket/frame_bytes.h"
#include "tests/unit/gateway/websocket/tunnel_fixture.h"

namespace sluice::websocket {
namespace {

using ::testing::HasSubstr;

std::string reserved(bool masked) {
  Frame frame{.opcode = static_cast<Opcode>(3), .payload = "?"};
  if (masked) frame.mask = kMask;
  return encode(frame);
}

TEST_F(TunnelTest, AClientThatBreaksARuleIsToldAndTheUpstreamLearnsThatItIsGone) {
  open();
  const std::string fine = from_client(Opcode::text, "fine");
  client_.send(fine + reserved(true) + from_client(Opcode::text, "behind"));
  harness_.settle();
  const std::optional<CloseFrame> to_upstream = receive_close(upstream_, fine);
  ASSERT_TRUE(to_upstream);
  EXPECT_EQ(to_upstream->code, 1001u);
  EXPECT_EQ(to_upstream->reason, "client: reserved_opcode");
  upstream_.send(upstream_close(1001));
  harness_.settle();
  const std::optional<CloseFrame> to_client = read_close(client_.receive());
  ASSERT_TRUE(to_client);
  EXPECT_EQ(to_client->code, 1002u);
  EXPECT_FALSE(ended()) << "its Close is waited for";
  client_.send(client_close(1002));
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(ending_.summary.violation, Violation::reserved_opcode);
  EXPECT_EQ(ending_.summary.violator, Party::client);
  EXPECT_EQ(ending_.summary.close_code, 1002u);
  EXPECT_EQ(ending_.summary.close_initiator, Party::gateway);
  EXPECT_THAT(harness_.registry.scrape(),
              HasSubstr(R"(sluice_websocket_violations_total{route="chat",rule="reserved_opcode",sender="client"} 1)"));
}

TEST_F(TunnelTest, AnUpstreamThatBreaksARuleIsToldAndTheClientHearsOfAnError) {
  open();
  upstream_.send(from_client(Opcode::text, "a server does not mask"));
  harness_.settle();
  const std::optional<CloseFrame> to_client = read_close(client_.receive());
  ASSERT_TRUE(to_client);
  EXPECT_EQ(to_client->code, 1011u);
  const std::optional<CloseFrame> to_upstream = read_close(upstream_.receive());
  ASSERT_TRUE(to_upstream);
  EXPECT_EQ(to_upstream->code, 1002u);
  client_.finish();
  upstream_.finish();
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(ending_.summary.violation, Violation::masked);
  EXPECT_EQ(ending_.summary.violator, Party::upstream);
  EXPECT_EQ(ending_.summary.close_code, 1002u);
}

// One that never answers, and goes on sending.
TEST_F(TunnelTest, ASenderThatIsNotInterestedIsCutAfterAWhile) {
  open();
  client_.send(std::string(1000, '\xff'));
  EXPECT_TRUE(harness_.run_until([&] { return read_close(client_.receive()).has_value(); }, 2s)) << "its backend says nothing, either";
  for (int i = 0; i < 10; ++i) {
    client_.send(std::string(100000, '\xff'));
    harness_.settle();
  }
  EXPECT_FALSE(ended());
  EXPECT_TRUE(wait_ended(7s));
}

// The other side is in the middle of a frame: it is completed first.
TEST_F(TunnelTest, TheSenderIsToldBehindTheFrameThatItIsGetting) {
  open();
  const std::string down = from_upstream(Opcode::binary, pattern(300));
  upstream_.send(down.substr(0, 100));
  harness_.settle();
  EXPECT_EQ(client_.receive(), down.substr(0, 100));
  client_.send(reserved(true));
  harness_.settle();
  EXPECT_EQ(client_.receive(), "");
  const Clock::time_point later = Clock::now() + 1400ms;  // no answer comes in time
  EXPECT_TRUE(harness_.run_until([&] { return Clock::now() > later; }));
  EXPECT_EQ(client_.receive(), "");
  upstream_.send(down.substr(100) + from_upstream(Opcode::text, "next").substr(0, 3));
  harness_.settle();
  const std::string rest = client_.receive();
  EXPECT_EQ(rest.substr(0, 204), down.substr(100));
  EXPECT_TRUE(read_close(rest.substr(204)));
}

// What it sent before was right, and its answers may be under way.
TEST_F(TunnelTest, TheClientIsToldBehindTheAnswersOfItsBackend) {
  open();
  client_.send(from_client(Opcode::text, "question") + reserved(true));
  harness_.settle();
  EXPECT_EQ(client_.receive(), "");
  const std::string answer = from_upstream(Opcode::text, "answer");
  upstream_.send(answer + upstream_close(1001) + from_upstream(Opcode::text, "behind"));
  harness_.settle();
  const std::string seen = client_.receive();
  ASSERT_EQ(seen.substr(0, answer.size()), answer);
  const std::optional<CloseFrame> close = read_close(seen.substr(answer.size()));
  ASSERT_TRUE(close) << "and nothing else";
  EXPECT_EQ(close->code, 1002u);
  client_.send(client_close(1002));
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(ending_.summary.close_code, 1002u);
  EXPECT_EQ(ending_.summary.close_initiator, Party::gateway);
}

// Some backends stop answering when they read a Close.
TEST_F(TunnelTest, TheBackendIsToldOnceItHasAnswered) {
  open();
  client_.send(from_client(Opcode::text, "question") + reserved(true));
  harness_.settle();
  std::string answers;
  for (int i = 0; i < 5; ++i) {
    const Clock::time_point later = Clock::now() + 30ms;
    EXPECT_TRUE(harness_.run_until([&] { return Clock::now() > later; }));
    EXPECT_EQ(upstream_.receive(), i == 0 ? from_client(Opcode::text, "question") : "");
    upstream_.send(from_upstream(Opcode::text, "answer"));
    answers += from_upstream(Opcode::text, "answer");
  }
  EXPECT_TRUE(receive_close(upstream_));
  upstream_.send(upstream_close(1001));
  const std::optional<CloseFrame> close = receive_close(client_, answers);
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1002u);
}

TEST_F(TunnelTest, OrWhenItsBackendEnds) {
  open();
  client_.send(from_client(Opcode::text, "question") + reserved(true));
  harness_.settle();
  upstream_.finish();
  harness_.settle();
  EXPECT_EQ(read_close(client_.receive())->code, 1002u);
  client_.send(client_close(1002));
  EXPECT_TRUE(wait_ended(1s));
}

TEST_F(TunnelTest, OrWhenItsBackendIsLost) {
  auto [client_stream, client] = harness_.plain_stream();
  auto [upstream_stream, upstream] = harness_.tcp_stream();
  client_ = std::move(client);
  upstream_ = std::move(upstream);
  add(std::move(client_stream), std::move(upstream_stream));
  client_.send(from_client(Opcode::text, "question") + reserved(true));
  harness_.settle();
  upstream_.reset();
  harness_.settle();
  EXPECT_EQ(read_close(client_.receive())->code, 1002u);
  EXPECT_FALSE(ended());
  client_.send(client_close(1002));
  EXPECT_TRUE(wait_ended(1s));
}

// Its socket takes no Close any more, and still has what it said.
TEST_F(TunnelTest, AnswersOfABackendThatHasLeftStillCome) {
  open({}, 4096);
  client_.send(from_client(Opcode::text, "question"));
  harness_.settle();
  std::string answers;
  while (answers.size() < 150000) answers += from_upstream(Opcode::text, pattern(1000));
  upstream_.receive();
  upstream_.send(answers);
  upstream_.close();
  harness_.settle();
  client_.send(reserved(true));
  harness_.run_for(100ms);  // the backend was to be told meanwhile
  const std::optional<CloseFrame> close = receive_close(client_, answers);
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1002u);
  client_.send(client_close(1002));
  EXPECT_TRUE(wait_ended(1s));
}

TEST_F(TunnelTest, LargeFramesAreJudgedBeforeTheyAreSpliced) {
  TunnelRules rules;
  rules.frames.max_message = 100 * 1024;
  open(rules);
  const std::string most = from_client(Opcode::binary, pattern(100 * 1024));
  EXPECT_TRUE(carry(client_, upstream_, most) == most);
  client_.send(from_client(Opcode::binary, pattern(100 * 1024 + 1)).substr(0, 20000));
  harness_.settle();
  EXPECT_TRUE(receive_close(upstream_)) << "nothing of it has passed";
  upstream_.send(upstream_close(1001));
  harness_.settle();
  const std::optional<CloseFrame> close = read_close(client_.receive());
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code, 1009u);
}

TEST_F(TunnelTest, LengthsThatNobodyCanSend) {
  const std::string large = from_client(Opcode::binary, pattern(100 * 1024));
  for (int first = 0x80; first <= 0xff; first += 0x1f) {
    open();
    EXPECT_TRUE(carry(client_, upstream_, large) == large);
    client_.send("\x82\xff" + std::string(1, static_cast<char>(first)) + std::string(7, '\xff') + "mask" + pattern(40000));
    harness_.settle();
    EXPECT_TRUE(receive_close(upstream_)) << first;
    upstream_.send(upstream_close(1001));
    harness_.settle();
    const std::optional<CloseFrame> close = read_close(client_.receive());
    ASSERT_TRUE(close);
    EXPECT_EQ(close->code, 1002u);
    tunnel_->cut();
  }
}

TEST_F(TunnelTest, WhatIsOnlyObservedPassesAndIsCounted) {
  TunnelRules rules;
  rules.frames.max_frame = 3;
  rules.frames.observe = true;
  open(rules);
  const std::string up = from_client(Opcode::text, "four") + from_client(Opcode::text, "five!");
  EXPECT_EQ(carry(client_, upstream_, up), up);
  EXPECT_EQ(client_.receive(), "");
  tunnel_->cut();
  EXPECT_EQ(ending_.summary.violation, Violation::frame_too_big);
  EXPECT_EQ(ending_.summary.close_code, 0u);
}

// The broken Close is not passed on; ours says why.
TEST_F(TunnelTest, ACloseThatMustNotBeSent) {
  open();
  client_.send(make_close_frame(1000, "", kMask));
  harness_.settle();
  EXPECT_EQ(upstream_.receive(), make_close_frame(1000, "", kMask));
  upstream_.send(encode({.opcode = Opcode::close, .payload = close_payload(2000)}));
  harness_.settle();
  EXPECT_EQ(read_close(client_.receive())->code, 1011u);
  client_.finish();
  upstream_.finish();
  ASSERT_TRUE(wait_ended(1s));
  EXPECT_EQ(ending_.summary.close_code, 1000u) << "who said Close first";
  EXPECT_EQ(ending_.summary.violation, Violation::close_code);
}

}  // namespace
}  // namespace sluice::websocket
