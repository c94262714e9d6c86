// Where frames begin and end and what they count for. What they may not be: frame_rules_test.cpp.
#include "gateway/websocket/frame_walker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/unit/gateway/websocket/frame_bytes.h"

namespace sluice::websocket {
namespace {

std::size_t walk(FrameWalker& walker, std::string_view bytes) { return walker.walk(bytes.data(), bytes.size()); }
std::size_t boundary(const FrameWalker& walker, std::string_view bytes) { return walker.boundary_within(bytes.data(), bytes.size()); }

TEST(FrameWalker, StartsAtABoundaryWithNothingCounted) {
  FrameWalker walker;
  EXPECT_TRUE(walker.at_boundary());
  EXPECT_FALSE(walker.close_seen());
  EXPECT_EQ(walker.close_code(), std::nullopt);
  EXPECT_EQ(walker.counts().data_frames(), 0u);
  EXPECT_EQ(walker.walk(nullptr, 0), 0u);
}

TEST(FrameWalker, CountsDataFramesMessagesAndPayload) {
  FrameWalker walker;
  const std::string bytes = encode({.opcode = Opcode::text, .payload = "hello"}) +
                            encode({.opcode = Opcode::binary, .payload = "ab", .fin = false}) +
                            encode({.opcode = Opcode::ping, .payload = "p"}) +
                            encode({.opcode = Opcode::continuation, .payload = "cde", .fin = true}) +
                            encode({.opcode = Opcode::pong});
  EXPECT_EQ(walk(walker, bytes), bytes.size());
  EXPECT_TRUE(walker.at_boundary());
  EXPECT_EQ(walker.counts().data_frames(), 3u);
  EXPECT_EQ(walker.counts().messages, 2u);
  EXPECT_EQ(walker.counts().control_frames(), 2u);
  EXPECT_EQ(walker.counts().payload_bytes, 10u);
}

TEST(FrameWalker, EveryLengthFormMaskedAndNot) {
  for (const std::size_t length : {0, 1, 125, 126, 127, 65535, 65536, 70000}) {
    for (const bool masked : {false, true}) {
      Frame frame{.opcode = Opcode::binary, .payload = std::string(length, 'x')};
      Frame next{.payload = "next"};
      if (masked) frame.mask = next.mask = 0xA1B2C3D4;
      const std::string bytes = encode(frame) + encode(next);
      FrameWalker walker({.masked = masked});
      EXPECT_EQ(walk(walker, bytes), bytes.size());
      EXPECT_TRUE(walker.at_boundary()) << length;
      EXPECT_EQ(walker.counts().data_frames(), 2u);
      EXPECT_EQ(walker.counts().payload_bytes, length + 4);
    }
  }
}

TEST(FrameWalker, LongLengthsDoNotWrap) {
  FrameWalker walker;
  const std::uint64_t length = 0x7FFFFFFFFFFFFFFF;
  ASSERT_EQ(walk(walker, header_of({.opcode = Opcode::binary}, length)), 10u);
  EXPECT_FALSE(walker.at_boundary());
  const std::string block(65536, '\x88');
  for (int i = 0; i < 100; ++i) EXPECT_EQ(walk(walker, block), block.size());
  EXPECT_EQ(walker.counts().payload_bytes, 100u * 65536u);
  EXPECT_EQ(walker.counts().data_frames(), 1u);
  EXPECT_EQ(walker.counts().control_frames(), 0u);
  EXPECT_EQ(boundary(walker, block), 0u);
}

TEST(FrameWalker, CloseCodeWithAndWithoutMask) {
  for (const std::optional<std::uint32_t> mask : {std::optional<std::uint32_t>{}, std::optional{0x12345678u}}) {
    FrameWalker walker({.masked = mask.has_value()});
    walk(walker, encode({.opcode = Opcode::close, .payload = close_payload(4321, "bye"), .mask = mask}));
    EXPECT_TRUE(walker.close_seen());
    EXPECT_EQ(walker.close_code(), 4321);
    EXPECT_EQ(walker.counts().control_frames(), 1u);
    EXPECT_EQ(walker.counts().payload_bytes, 0u);
  }
}

TEST(FrameWalker, CloseWithoutACode) {
  FrameWalker walker({.masked = true});
  walk(walker, encode({.opcode = Opcode::close, .mask = 7}));
  EXPECT_TRUE(walker.close_seen());
  EXPECT_EQ(walker.close_code(), 1005);
}

// Whoever gets half of one can be sent nothing else any more.
TEST(FrameWalker, HeadersAndClosesPassWholeOrNotAtAll) {
  const std::string close = encode({.opcode = Opcode::close, .payload = close_payload(1001, std::string(123, 'r')), .mask = 0xDEADBEEF});
  const std::string large = header_of({.opcode = Opcode::binary, .mask = 1}, 1 << 20);
  const std::string ping = encode({.opcode = Opcode::ping, .payload = "p", .mask = 5});
  for (const std::string& bytes : {close, large, ping.substr(0, 6)}) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      FrameWalker walker({.masked = true});
      EXPECT_EQ(walker.walk(bytes.data(), size), 0u) << size;
      EXPECT_LE(size, FrameWalker::kMaxHeld);
      EXPECT_TRUE(walker.at_boundary());
      EXPECT_FALSE(walker.close_seen());
      EXPECT_EQ(walker.counts().data_frames() + walker.counts().control_frames(), 0u);
      EXPECT_EQ(walk(walker, bytes), bytes.size()) << "given again, with the rest";
    }
  }
}

TEST(FrameWalker, NothingIsWalkedBehindAClose) {
  const std::string close = encode({.opcode = Opcode::close, .payload = close_payload(1000)});
  const std::string first = encode({.payload = "a"});
  FrameWalker walker;
  EXPECT_EQ(walk(walker, first + close + encode({.payload = "late"})), first.size() + close.size());
  EXPECT_EQ(walk(walker, encode({.payload = "later"})), 0u);
  EXPECT_EQ(walker.counts().data_frames(), 1u);
  EXPECT_EQ(boundary(walker, encode({.payload = "later"})), 0u);
}

TEST(FrameWalker, PayloadOfALargeDataFrameMayPassUnseen) {
  const std::size_t large = FrameWalker::kLargePayload;
  FrameWalker walker;
  EXPECT_EQ(walker.data_left(), 0U);
  walk(walker, encode({Opcode::binary, std::string(large - 1, 's')}));
  EXPECT_FALSE(walker.frames_are_large());
  const std::string bytes = encode({Opcode::binary, std::string(large, 'l')});
  walk(walker, bytes.substr(0, bytes.size() - large + 5));
  EXPECT_TRUE(walker.frames_are_large());
  EXPECT_EQ(walker.data_left(), large - 5);
  walker.pass_unseen(large - 6);
  EXPECT_EQ(walker.data_left(), 1U);
  EXPECT_FALSE(walker.at_boundary());
  walker.pass_unseen(1);
  EXPECT_TRUE(walker.at_boundary());
  EXPECT_EQ(walker.counts().payload_bytes, 2 * large - 1);
  EXPECT_EQ(walker.counts().messages, 2U);
  walk(walker, encode({Opcode::ping, "pi"}).substr(0, 3));
  EXPECT_FALSE(walker.at_boundary());
  EXPECT_EQ(walker.data_left(), 0U) << "a ping's payload is no data";
  EXPECT_TRUE(walker.frames_are_large()) << "a ping says nothing about the next data frame";
}

// A header was judged where it lay, and then only a part of it could be passed on.
TEST(FrameWalker, BytesThatWereWalkedMayComeAgain) {
  const std::string bytes = encode({Opcode::binary, std::string(1000, 'l')});
  FrameWalker walker;
  walk(walker, bytes.substr(0, 14));
  walker.take_back(12);
  EXPECT_FALSE(walker.at_boundary());
  EXPECT_EQ(walker.data_left(), bytes.size() - 2);
  EXPECT_EQ(walk(walker, bytes.substr(2)), bytes.size() - 2);
  EXPECT_TRUE(walker.at_boundary());
  EXPECT_EQ(walker.counts().payload_bytes, 1000u);
  EXPECT_EQ(walker.counts().data_frames(), 1u);
}

TEST(FrameWalker, BoundaryWithin) {
  const std::string a = encode({.payload = "aaaa", .mask = 1});
  const std::string b = encode({.payload = std::string(300, 'b'), .mask = 2});
  FrameWalker walker({.masked = true});
  EXPECT_EQ(boundary(walker, ""), 0u);
  EXPECT_EQ(boundary(walker, a), a.size());
  EXPECT_EQ(boundary(walker, a + b), a.size() + b.size());
  EXPECT_EQ(boundary(walker, a + b.substr(0, b.size() - 1)), a.size());
  EXPECT_EQ(boundary(walker, a + b.substr(0, 3)), a.size());
  EXPECT_EQ(boundary(walker, a.substr(0, 1)), 0u);
  EXPECT_EQ(walker.counts().data_frames(), 0u) << "looking changes nothing";
  EXPECT_TRUE(walker.at_boundary());

  walk(walker, a + b.substr(0, 100));
  EXPECT_EQ(boundary(walker, b.substr(100, 50)), 0u);
  EXPECT_EQ(boundary(walker, b.substr(100) + a.substr(0, 2)), b.size() - 100);
  EXPECT_EQ(boundary(walker, b.substr(100) + a), b.size() - 100 + a.size());
}

TEST(FrameWalker, BoundaryWithinStopsBehindAClose) {
  const std::string close = encode({.opcode = Opcode::close});
  FrameWalker walker;
  EXPECT_EQ(boundary(walker, close + encode({.payload = "late"})), close.size());
}

struct Stream {
  std::string bytes;
  std::vector<std::size_t> ends;  // of the frames, the Close frame's included
};

// Messages in fragments with control frames between them, at times with a Close at the end.
Stream random_stream(std::mt19937& random, bool masked) {
  const auto pick = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  static constexpr std::size_t kLengths[] = {0, 1, 2, 5, 124, 125, 126, 127, 300, 1000};
  Stream stream;
  bool in_message = false;
  const std::size_t frames = 1 + pick(12);
  for (std::size_t i = 0; i < frames; ++i) {
    Frame frame{.payload = std::string(kLengths[pick(10)], '\0')};
    for (char& byte : frame.payload) byte = static_cast<char>(random());
    const bool last = i + 1 == frames && pick(2) == 0;
    if (last || pick(4) == 0) {
      frame.opcode = last ? Opcode::close : pick(2) == 0 ? Opcode::ping : Opcode::pong;
      frame.payload = last ? close_payload(3001, "bye") : frame.payload.substr(0, 125);
    } else {
      frame.opcode = in_message ? Opcode::continuation : pick(2) == 0 ? Opcode::text : Opcode::binary;
      frame.fin = pick(2) == 0;
      in_message = !frame.fin;
    }
    if (masked) frame.mask = random();
    stream.bytes += encode(frame);
    stream.ends.push_back(stream.bytes.size());
  }
  return stream;
}

void expect_same(const FrameWalker& split, const FrameWalker& whole) {
  EXPECT_EQ(split.counts().data_frames(), whole.counts().data_frames());
  EXPECT_EQ(split.counts().control_frames(), whole.counts().control_frames());
  EXPECT_EQ(split.counts().messages, whole.counts().messages);
  EXPECT_EQ(split.counts().payload_bytes, whole.counts().payload_bytes);
  EXPECT_EQ(split.close_seen(), whole.close_seen());
  EXPECT_EQ(split.close_code(), whole.close_code());
  EXPECT_EQ(split.violation(), whole.violation());
  EXPECT_EQ(split.at_boundary(), whole.at_boundary());
}

// As the tunnel does it: what did not pass is given again. Returns how much passed until then.
std::size_t feed(FrameWalker& walker, std::string& held, std::string_view piece) {
  const std::string bytes = held + std::string(piece);
  const std::size_t walked = walk(walker, bytes);
  held = bytes.substr(walked);
  return walked;
}

TEST(FrameWalkerProperty, AnySplitGivesTheSameCountsAndBoundaries) {
  std::mt19937 random(20240607);
  for (int round = 0; round < 2000; ++round) {
    const bool masked = random() % 2 == 0;
    const Stream stream = random_stream(random, masked);
    FrameWalker whole({.masked = masked});
    ASSERT_EQ(walk(whole, stream.bytes), stream.bytes.size());

    FrameWalker split({.masked = masked});
    std::string held;
    const std::size_t longest = 1 + random() % 40;
    std::size_t at = 0;
    std::size_t passed = 0;
    while (at < stream.bytes.size()) {
      const std::size_t size = std::min<std::size_t>(1 + random() % longest, stream.bytes.size() - at);
      const std::string given = held + stream.bytes.substr(at, size);
      std::size_t last_end = passed;
      for (const std::size_t end : stream.ends) {
        if (end > passed && end <= at + size) last_end = end;
      }
      ASSERT_EQ(boundary(split, given), last_end - passed);
      passed += feed(split, held, std::string_view(stream.bytes).substr(at, size));
      at += size;
      ASSERT_EQ(passed + held.size(), at);
      ASSERT_LE(held.size(), FrameWalker::kMaxHeld);
      if (std::find(stream.ends.begin(), stream.ends.end(), at) != stream.ends.end()) {
        ASSERT_TRUE(split.at_boundary() && held.empty());
      }
    }
    expect_same(split, whole);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

TEST(FrameWalkerProperty, AnyBytesAreWalkedAlikeHoweverTheyAreSplit) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    FrameWalker whole;
    const std::size_t walked = walk(whole, bytes);
    FrameWalker split;
    std::string held;
    std::size_t split_walked = 0;
    for (const char& byte : bytes) {
      if (split.violation() != Violation::none || split.close_seen()) break;
      split_walked += feed(split, held, {&byte, 1});
    }
    ASSERT_EQ(split_walked, walked);
    expect_same(split, whole);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

}  // namespace
}  // namespace sluice::websocket
