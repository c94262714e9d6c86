// Which frames pass, wait, are dropped or swallowed.
#include <gtest/gtest.h>

#include "gateway/websocket/frame_walker.h"
#include "tests/unit/gateway/websocket/frame_bytes.h"

namespace sluice::websocket {
namespace {

constexpr std::uint64_t kPayload = 0x1122334455667788;
const std::string kText = encode({.payload = "hello"});
const std::string kBegin = encode({.payload = "be", .fin = false});
const std::string kRest = encode({.opcode = Opcode::continuation, .payload = "gun"});
const std::string kEmpty = encode({.opcode = Opcode::continuation, .fin = false});
const std::string kPing = encode({.opcode = Opcode::ping, .payload = "p"});
const std::string kPong = encode({.opcode = Opcode::pong, .payload = "p"});
const std::string kOurPong = encode({.opcode = Opcode::pong, .payload = std::string(reinterpret_cast<const char*>(&kPayload), 8)});
const std::string kClose = encode({.opcode = Opcode::close, .payload = close_payload(1000)});

struct Piece {
  std::string bytes;
  Fate fate;
  bool operator==(const Piece&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Piece& run) { return out << run.bytes.size() << " bytes, fate " << static_cast<int>(run.fate); }

// In pieces of this size; what does not pass is given again.
std::vector<Piece> runs_of(FrameWalker& walker, const std::string& bytes, std::size_t piece) {
  std::vector<Piece> runs;
  std::string held;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    held += bytes.substr(at, piece);
    while (!held.empty()) {
      const std::size_t size = walker.walk(held.data(), held.size());
      if (size == 0) break;
      if (runs.empty() || runs.back().fate != walker.fate()) runs.push_back({"", walker.fate()});
      runs.back().bytes += held.substr(0, size);
      held.erase(0, size);
    }
  }
  EXPECT_EQ(held, "");
  return runs;
}

TEST(FrameFates, WholeMessagesAreDroppedAndNothingElse) {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    FrameWalker walker;
    walker.drop_messages(true);
    const std::vector<Piece> runs = runs_of(walker, kText + kPing + kText + kText + kBegin + kPong + kRest + kText + kClose, piece);
    const std::vector<Piece> expected = {{kText, Fate::dropped}, {kPing, Fate::passes},
                                       {kText + kText, Fate::dropped}, {kBegin + kPong + kRest, Fate::passes},
                                       {kText, Fate::dropped}, {kClose, Fate::passes}};
    EXPECT_EQ(runs, expected) << piece;
    EXPECT_EQ(walker.counts().dropped, 4u);
    EXPECT_EQ(walker.counts().messages, 5u);
    EXPECT_TRUE(walker.close_seen());
  }
}

TEST(FrameFates, AMessageThatBeganToPassPassesToItsEnd) {
  FrameWalker walker;
  EXPECT_EQ(walker.walk(kText.data(), 4), 4u);
  walker.drop_messages(true);
  const std::string rest = kText.substr(4) + kText;
  EXPECT_EQ(walker.walk(rest.data(), rest.size()), kText.size() - 4);
  EXPECT_EQ(walker.fate(), Fate::passes);
  EXPECT_EQ(walker.walk(kText.data(), 4), 4u);
  EXPECT_EQ(walker.fate(), Fate::dropped);
  EXPECT_TRUE(walker.at_boundary()) << "the receiver is";
  walker.drop_messages(false);
  EXPECT_EQ(walker.walk(rest.data(), rest.size()), kText.size() - 4) << "and one that was dropped is dropped to its end";
  EXPECT_EQ(walker.fate(), Fate::dropped);
  EXPECT_EQ(walker.walk(kText.data(), kText.size()), kText.size());
  EXPECT_EQ(walker.fate(), Fate::passes);
}

TEST(FrameFates, OnlyThePongThatIsExpectedIsSwallowedAndOnlyOnce) {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    FrameWalker walker;
    walker.expect_pong(kPayload);
    const std::vector<Piece> runs = runs_of(walker, kText + kPong + kOurPong + kText + kOurPong, piece);
    const std::vector<Piece> expected = {{kText + kPong, Fate::passes}, {kOurPong, Fate::swallowed}, {kText + kOurPong, Fate::passes}};
    EXPECT_EQ(runs, expected) << piece;
    EXPECT_EQ(walker.counts().pongs, 2u);
  }
}

TEST(FrameFates, ALatePongToAnEarlierPingIsSwallowedAsWell) {
  const auto pong = [](std::uint64_t payload) {
    return encode({.opcode = Opcode::pong, .payload = std::string(reinterpret_cast<const char*>(&payload), 8)});
  };
  for (std::size_t piece = 1; piece < 40; ++piece) {
    FrameWalker walker;
    for (std::uint64_t i = 0; i < 3; ++i) walker.expect_pong(kPayload + i);
    const std::string first = pong(kPayload), last = pong(kPayload + 2);
    const std::vector<Piece> runs = runs_of(walker, pong(kPayload - 1) + first + kText + first + pong(kPayload + 3) + last + pong(kPayload + 1), piece);
    const std::vector<Piece> expected = {{pong(kPayload - 1), Fate::passes}, {first, Fate::swallowed}, {kText + first + pong(kPayload + 3), Fate::passes},
                                         {last, Fate::swallowed}, {pong(kPayload + 1), Fate::passes}};
    EXPECT_EQ(runs, expected) << piece << ": an answer answers what was asked before it as well";
    EXPECT_FALSE(walker.pong_expected());
  }
}

TEST(FrameFates, AMaskedPongIsUnmasked) {
  FrameWalker walker({.masked = true});
  walker.expect_pong(kPayload);
  const std::string pong = encode({.opcode = Opcode::pong, .payload = std::string(reinterpret_cast<const char*>(&kPayload), 8), .mask = 0xA1B2C3D4});
  EXPECT_EQ(walker.walk(pong.data(), pong.size()), pong.size());
  EXPECT_EQ(walker.fate(), Fate::swallowed);
}

TEST(FrameFates, ACloseThatIsSwallowedIsStillSeen) {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    FrameWalker walker;
    walker.swallow_close();
    const std::vector<Piece> runs = runs_of(walker, kText + kClose, piece);
    const std::vector<Piece> expected = {{kText, Fate::passes}, {kClose, Fate::swallowed}};
    EXPECT_EQ(runs, expected) << piece;
    EXPECT_TRUE(walker.close_seen());
  }
}

TEST(FrameFates, WhatIsNotAllowedYetWaits) {
  FrameWalker walker;
  walker.allow(2);
  const std::string bytes = kBegin + kRest + kText + kText;
  EXPECT_EQ(walker.walk(bytes.data(), bytes.size()), bytes.size() - kText.size()) << "the second fragment is of the same message";
  EXPECT_TRUE(walker.waits());
  EXPECT_EQ(walker.allowance(), 0u);
  EXPECT_EQ(walker.walk(kText.data(), kText.size()), 0u);
  walker.allow(1);
  EXPECT_FALSE(walker.waits());
  EXPECT_EQ(walker.walk(kText.data(), kText.size()), kText.size());
}

TEST(FrameFates, WhatCostsNoBytesCountsAsMessagesDo) {
  for (const std::string& frame : {kPing, kPong, encode({.opcode = Opcode::text}), kEmpty}) {
    FrameWalker walker;
    walker.allow(2);
    const std::string bytes = kBegin + (frame == encode({.opcode = Opcode::text}) ? kRest : "") + frame + frame;
    EXPECT_LT(walker.walk(bytes.data(), bytes.size()), bytes.size());
    EXPECT_TRUE(walker.waits());
  }
}

TEST(FrameFates, AnAnswerDoesNotCount) {
  FrameWalker walker;
  walker.allow(0);
  walker.expect_pong(kPayload);
  EXPECT_EQ(walker.walk(kOurPong.data(), kOurPong.size()), kOurPong.size()) << "to the gateway's Ping";
  walker.expect_answers(1);
  EXPECT_EQ(walker.walk(kPong.data(), kPong.size()), kPong.size()) << "to the other side's";
  EXPECT_EQ(walker.walk(kPong.data(), kPong.size()), 0u);
  EXPECT_TRUE(walker.waits());
}

TEST(FrameFates, EachObservedFrameCountsOnce) {
  FrameWalker walker({.max_frame = 4, .observe = true});
  walker.allow(2);
  walker.drop_messages(true);
  const std::string bytes = kBegin + kRest + kPing + kText + kText;
  const std::vector<Piece> runs = runs_of(walker, bytes.substr(0, bytes.size() - 2 * kText.size()), 100);
  walker.walk(kText.data(), kText.size());
  EXPECT_TRUE(walker.waits());
  walker.allow(2);
  walker.walk(kText.data(), kText.size());
  EXPECT_EQ(walker.take_observed().frames, 1u) << "not again when it had waited";
}

TEST(FrameFates, ACloseNeverWaits) {
  FrameWalker walker;
  walker.allow(0);
  EXPECT_EQ(walker.walk(kClose.data(), kClose.size()), kClose.size());
  EXPECT_TRUE(walker.close_seen());
}

TEST(FrameFates, SizesAreOfWholeMessagesAndOnlyOnce) {
  metrics::Histogram sizes(metrics::kSizeBounds);
  FrameWalker walker({}, &sizes);
  const std::string bytes = kBegin + kPing + kRest + kText;
  EXPECT_EQ(walker.boundary_within(bytes.data(), bytes.size()), bytes.size());
  FrameWalker ahead = walker.look_ahead();
  ahead.walk(kText.data(), kText.size());
  EXPECT_EQ(sizes.sum(), 0);
  EXPECT_EQ(walker.walk(bytes.data(), bytes.size()), bytes.size());
  EXPECT_EQ(sizes.sum(), 10);
  EXPECT_EQ(sizes.bucket(0), 2u);
  ahead = walker.look_ahead();
  ahead.walk(kText.data(), 2);
  walker.adopt(ahead);
  EXPECT_EQ(sizes.sum(), 15);
  EXPECT_EQ(walker.walk(kText.data() + 2, 5), 5u);
  EXPECT_EQ(sizes.sum(), 15);
}

}  // namespace
}  // namespace sluice::websocket
