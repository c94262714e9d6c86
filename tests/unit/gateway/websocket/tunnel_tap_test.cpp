#include "gateway/websocket/tunnel_tap.h"

#include "tests/unit/gateway/websocket/tunnel_fixture.h"

namespace sluice::websocket {
namespace {

using config::Tap;

class TunnelTapTest : public TunnelTest {
 protected:
  void open_with(Tap tap) {
    TunnelRules rules;
    rules.tap = tap;
    open(rules);
  }
  TapOutcome begin() { return tunnel_->begin_tap(tap_); }
  void expect(const TappedFrame& frame, Party sender, Opcode opcode, std::uint64_t length) {
    EXPECT_EQ(frame.sender, sender);
    EXPECT_EQ(frame.opcode, opcode);
    EXPECT_EQ(frame.length, length);
  }

  std::shared_ptr<TapQueue> tap_ = std::make_shared<TapQueue>([] {});
};

TEST_F(TunnelTapTest, ShowsHeadersOfBothDirections) {
  open_with(Tap::headers);
  EXPECT_EQ(begin(), TapOutcome::begun);
  client_.send(from_client(Opcode::text, "hello") + from_client(Opcode::ping, "p"));
  receive(upstream_, 18);
  upstream_.send(frame(Opcode::binary, "xyz", false, false));
  receive(client_, 5);
  const TapQueue::Taken taken = tap_->take();
  ASSERT_EQ(taken.frames.size(), 3u);
  expect(taken.frames[0], Party::client, Opcode::text, 5);
  EXPECT_TRUE(taken.frames[0].masked);
  EXPECT_TRUE(taken.frames[0].final);
  expect(taken.frames[1], Party::client, Opcode::ping, 1);
  expect(taken.frames[2], Party::upstream, Opcode::binary, 3);
  EXPECT_FALSE(taken.frames[2].final);
  EXPECT_FALSE(taken.frames[2].masked);
  for (const TappedFrame& one : taken.frames) EXPECT_FALSE(one.payload);
}

TEST_F(TunnelTapTest, ShowsPayloadUnmaskedInWhateverPieces) {
  open_with(Tap::payload);
  begin();
  const std::string bytes = from_client(Opcode::text, "hello, world") + from_client(Opcode::text, "") + from_client(Opcode::close, "");
  for (const char byte : bytes) {
    client_.send(std::string(1, byte));
    harness_.settle();
  }
  receive(upstream_, bytes.size());
  const TapQueue::Taken taken = tap_->take();
  ASSERT_EQ(taken.frames.size(), 3u);
  EXPECT_EQ(taken.frames[0].payload, "hello, world");
  EXPECT_EQ(taken.frames[1].payload, "");
  expect(taken.frames[2], Party::client, Opcode::close, 0);
}

TEST_F(TunnelTapTest, ShowsTheBeginningOfWhatIsLong) {
  open_with(Tap::payload);
  begin();
  const std::string payload = pattern(100'000);
  carry(client_, upstream_, from_client(Opcode::binary, payload) + from_client(Opcode::text, "next"));
  const TapQueue::Taken taken = tap_->take();
  ASSERT_EQ(taken.frames.size(), 2u);
  EXPECT_EQ(taken.frames[0].length, payload.size());
  EXPECT_EQ(taken.frames[0].payload, payload.substr(0, TapQueue::kMostPayload));
  EXPECT_EQ(taken.frames[1].payload, "next");
}

// The frame that is under way was partly spliced: the rest of it must be told from the header of the next one.
TEST_F(TunnelTapTest, MayBeginInTheMiddleOfALargeFrame) {
  open_with(Tap::payload);
  const std::string large = from_client(Opcode::binary, pattern(300'000));
  carry(client_, upstream_, large);  // the next one is expected to be large
  const std::string half = large.substr(0, 200'000);
  carry(client_, upstream_, half);
  begin();
  carry(client_, upstream_, large.substr(200'000) + from_client(Opcode::text, "next") + large);
  const TapQueue::Taken taken = tap_->take();
  ASSERT_EQ(taken.frames.size(), 2u);
  EXPECT_EQ(taken.frames[0].payload, "next");
  expect(taken.frames[1], Party::client, Opcode::binary, 300'000);
}

TEST_F(TunnelTapTest, OneLooksAtATime) {
  open_with(Tap::headers);
  EXPECT_EQ(begin(), TapOutcome::begun);
  EXPECT_EQ(begin(), TapOutcome::taken);
  tap_->leave();
  const auto another = std::make_shared<TapQueue>([] {});
  EXPECT_EQ(tunnel_->begin_tap(another), TapOutcome::begun);
  client_.send(from_client(Opcode::text, "hello"));
  receive(upstream_, 11);
  EXPECT_EQ(another->take().frames.size(), 1u);
  EXPECT_TRUE(tap_->take().frames.empty());
}

TEST_F(TunnelTapTest, WhoHasLeftIsLetGo) {
  open_with(Tap::headers);
  begin();
  tap_->leave();
  client_.send(from_client(Opcode::text, "hello"));
  receive(upstream_, 11);
  EXPECT_EQ(tap_.use_count(), 1);
  EXPECT_TRUE(tap_->take().frames.empty());
}

TEST_F(TunnelTapTest, NobodyLooksWhereItIsOff) {
  open_with(Tap::off);
  EXPECT_EQ(begin(), TapOutcome::off);
  client_.send(from_client(Opcode::text, "hello"));
  receive(upstream_, 11);
  EXPECT_TRUE(tap_->take().frames.empty());
}

TEST_F(TunnelTapTest, EndsWithTheTunnel) {
  open_with(Tap::headers);
  begin();
  tunnel_->cut();
  EXPECT_TRUE(tap_->take().ended);
}

TEST(PassingFrames, KnowsWhatIsCompressed) {
  TapQueue tap([] {});
  PassingFrames frames(Party::upstream, 0, true, true);
  std::string bytes = frame(Opcode::text, "abc", false, false) + frame(Opcode::ping, "", false) + frame(Opcode::continuation, "def", false) +
                      frame(Opcode::text, "plain", false);
  bytes[0] = static_cast<char>(bytes[0] | 0x40);
  frames.pass(bytes, tap);
  const TapQueue::Taken taken = tap.take();
  ASSERT_EQ(taken.frames.size(), 4u);
  EXPECT_TRUE(taken.frames[0].compressed);
  EXPECT_EQ(taken.frames[0].reserved_bits, 0x40);
  EXPECT_FALSE(taken.frames[1].compressed);
  EXPECT_TRUE(taken.frames[2].compressed);
  EXPECT_FALSE(taken.frames[3].compressed);
}

}  // namespace
}  // namespace sluice::websocket
