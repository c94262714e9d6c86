#include "gateway/websocket/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sluice::websocket {
namespace {

// Spelled out here, apart from the code under test.
struct Frame {
  Opcode opcode = Opcode::text;
  std::string payload = {};
  bool fin = true;
  std::optional<std::uint32_t> mask = {};
  int length_form = 0;  // 0: the shortest; 16 or 64: that many bits, however short the payload
};

std::string header_of(const Frame& frame, std::uint64_t length) {
  std::string out;
  out += static_cast<char>((frame.fin ? 0x80 : 0) | static_cast<int>(frame.opcode));
  const int masked = frame.mask ? 0x80 : 0;
  if (frame.length_form == 64 || length > 0xFFFF) {
    out += static_cast<char>(masked | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift);
  } else if (frame.length_form == 16 || length > 125) {
    out += static_cast<char>(masked | 126);
    out += static_cast<char>(length >> 8);
    out += static_cast<char>(length);
  } else {
    out += static_cast<char>(masked | static_cast<int>(length));
  }
  if (frame.mask) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(*frame.mask >> shift);
  }
  return out;
}

std::string encode(const Frame& frame) {
  std::string out = header_of(frame, frame.payload.size());
  for (std::size_t i = 0; i < frame.payload.size(); ++i) {
    const auto key = frame.mask ? static_cast<char>(*frame.mask >> (24 - 8 * (i % 4))) : char{0};
    out += static_cast<char>(frame.payload[i] ^ key);
  }
  return out;
}

std::string close_payload(std::uint16_t code, std::string_view reason = "") {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + std::string(reason);
}

std::size_t walk(FrameWalker& walker, std::string_view bytes) {
  return walker.walk(bytes.data(), bytes.size());
}
std::size_t boundary(const FrameWalker& walker, std::string_view bytes) {
  return walker.boundary_within(bytes.data(), bytes.size());
}

TEST(FrameWalker, StartsAtABoundaryWithNothingCounted) {
  FrameWalker walker;
  EXPECT_TRUE(walker.at_boundary());
  EXPECT_FALSE(walker.close_seen());
  EXPECT_EQ(walker.close_code(), std::nullopt);
  EXPECT_EQ(walker.counts().data_frames, 0u);
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
  EXPECT_EQ(walker.counts().data_frames, 3u);
  EXPECT_EQ(walker.counts().messages, 2u);
  EXPECT_EQ(walker.counts().control_frames, 2u);
  EXPECT_EQ(walker.counts().payload_bytes, 10u);
}

TEST(FrameWalker, ControlFramesAreNoDataActivity) {
  FrameWalker walker;
  walk(walker, encode({.opcode = Opcode::ping, .payload = "x"}) + encode({.opcode = Opcode::pong}));
  walk(walker, encode({.payload = ""}));
}

TEST(FrameWalker, ReservedOpcodesCountByTheControlBit) {
  FrameWalker walker;
  walk(walker, encode({.opcode = static_cast<Opcode>(3), .payload = "ab"}) +
                   encode({.opcode = static_cast<Opcode>(11), .payload = "c"}));
  EXPECT_EQ(walker.counts().data_frames, 1u);
  EXPECT_EQ(walker.counts().control_frames, 1u);
  EXPECT_EQ(walker.counts().payload_bytes, 2u);
}

TEST(FrameWalker, EveryLengthFormMaskedAndNot) {
  for (const std::size_t length : {0, 1, 125, 126, 127, 65535, 65536, 70000}) {
    for (const int form : {0, 16, 64}) {
      if (form == 16 && length > 65535) continue;
      for (const bool masked : {false, true}) {
        Frame frame{.opcode = Opcode::binary, .payload = std::string(length, 'x'), .length_form = form};
        if (masked) frame.mask = 0xA1B2C3D4;
        const std::string bytes = encode(frame) + encode({.payload = "next"});
        FrameWalker walker;
        EXPECT_EQ(walk(walker, bytes), bytes.size());
        EXPECT_TRUE(walker.at_boundary()) << length << " in form " << form;
        EXPECT_EQ(walker.counts().data_frames, 2u);
        EXPECT_EQ(walker.counts().payload_bytes, length + 4);
      }
    }
  }
}

TEST(FrameWalker, SixtyFourBitLengthsDoNotWrap) {
  FrameWalker walker;
  const std::uint64_t length = 0xFFFFFFFFFFFFFFFF;
  ASSERT_EQ(walk(walker, header_of({.opcode = Opcode::binary}, length)), 10u);
  EXPECT_FALSE(walker.at_boundary());
  const std::string block(65536, '\x88');
  for (int i = 0; i < 100; ++i) EXPECT_EQ(walk(walker, block), block.size());
  EXPECT_EQ(walker.counts().payload_bytes, 100u * 65536u);
  EXPECT_EQ(walker.counts().data_frames, 1u);
  EXPECT_EQ(walker.counts().control_frames, 0u);
  EXPECT_EQ(boundary(walker, block), 0u);
}

TEST(FrameWalker, CloseCodeWithAndWithoutMask) {
  for (const std::optional<std::uint32_t> mask :
       {std::optional<std::uint32_t>{}, std::optional{0x12345678u}}) {
    FrameWalker walker;
    walk(walker, encode({.opcode = Opcode::close, .payload = close_payload(4321, "bye"), .mask = mask}));
    EXPECT_TRUE(walker.close_seen());
    EXPECT_EQ(walker.close_code(), 4321);
    EXPECT_EQ(walker.counts().control_frames, 1u);
    EXPECT_EQ(walker.counts().payload_bytes, 0u);
  }
}

TEST(FrameWalker, CloseWithoutACode) {
  FrameWalker empty;
  walk(empty, encode({.opcode = Opcode::close, .mask = 7}));
  EXPECT_TRUE(empty.close_seen());
  EXPECT_EQ(empty.close_code(), 1005);

  FrameWalker one_byte;
  walk(one_byte, encode({.opcode = Opcode::close, .payload = "\x03"}));
  EXPECT_TRUE(one_byte.close_seen());
  EXPECT_EQ(one_byte.close_code(), 1002);
}

TEST(FrameWalker, CloseCodeOnlyOnceTheWholeFrameHasPassed) {
  const std::string bytes =
      encode({.opcode = Opcode::close, .payload = close_payload(1001, "going"), .mask = 0xDEADBEEF});
  FrameWalker walker;
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    EXPECT_EQ(walker.walk(&bytes[i], 1), 1u);
    EXPECT_FALSE(walker.close_seen());
    EXPECT_EQ(walker.close_code(), std::nullopt);
    EXPECT_FALSE(walker.at_boundary());
  }
  EXPECT_EQ(walker.walk(&bytes.back(), 1), 1u);
  EXPECT_EQ(walker.close_code(), 1001);
  EXPECT_TRUE(walker.at_boundary());
}

TEST(FrameWalker, NothingIsWalkedBehindAClose) {
  const std::string close = encode({.opcode = Opcode::close, .payload = close_payload(1000)});
  const std::string first = encode({.payload = "a"});
  FrameWalker walker;
  EXPECT_EQ(walk(walker, first + close + encode({.payload = "late"})), first.size() + close.size());
  EXPECT_EQ(walk(walker, encode({.payload = "later"})), 0u);
  EXPECT_EQ(walker.counts().data_frames, 1u);
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

TEST(FrameWalker, BoundaryWithin) {
  const std::string a = encode({.payload = "aaaa", .mask = 1});
  const std::string b = encode({.payload = std::string(300, 'b')});
  FrameWalker walker;
  EXPECT_EQ(boundary(walker, ""), 0u);
  EXPECT_EQ(boundary(walker, a), a.size());
  EXPECT_EQ(boundary(walker, a + b), a.size() + b.size());
  EXPECT_EQ(boundary(walker, a + b.substr(0, b.size() - 1)), a.size());
  EXPECT_EQ(boundary(walker, a + b.substr(0, 3)), a.size());
  EXPECT_EQ(boundary(walker, a.substr(0, 1)), 0u);
  EXPECT_EQ(walker.counts().data_frames, 0u) << "looking changes nothing";
  EXPECT_TRUE(walker.at_boundary());

  walk(walker, a + b.substr(0, 100));
  EXPECT_EQ(boundary(walker, b.substr(100, 50)), 0u);
  EXPECT_EQ(boundary(walker, b.substr(100) + a.substr(0, 2)), b.size() - 100);
  EXPECT_EQ(boundary(walker, b.substr(100) + a), b.size() - 100 + a.size());
  walk(walker, b.substr(100) + a.substr(0, 2));
  EXPECT_EQ(boundary(walker, a.substr(2)), a.size() - 2);
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

Stream random_stream(std::mt19937& random) {
  const auto pick = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  static constexpr Opcode kOpcodes[] = {Opcode::continuation, Opcode::text, Opcode::binary, Opcode::ping,
                                        Opcode::pong};
  static constexpr std::size_t kLengths[] = {0, 1, 2, 5, 124, 125, 126, 127, 300, 1000};
  static constexpr int kForms[] = {0, 16, 64};
  Stream stream;
  const std::size_t frames = 1 + pick(12);
  for (std::size_t i = 0; i < frames; ++i) {
    Frame frame{.opcode = kOpcodes[pick(5)], .payload = std::string(kLengths[pick(10)], '\0')};
    for (char& byte : frame.payload) byte = static_cast<char>(random());
    frame.fin = pick(2) == 0;
    frame.length_form = kForms[pick(3)];
    if (pick(2) == 0) frame.mask = random();
    if (i + 1 == frames && pick(2) == 0) {
      frame.opcode = Opcode::close;
      frame.payload = frame.payload.substr(0, 125);
    }
    stream.bytes += encode(frame);
    stream.ends.push_back(stream.bytes.size());
  }
  return stream;
}

void expect_same(const FrameWalker& split, const FrameWalker& whole) {
  EXPECT_EQ(split.counts().data_frames, whole.counts().data_frames);
  EXPECT_EQ(split.counts().control_frames, whole.counts().control_frames);
  EXPECT_EQ(split.counts().messages, whole.counts().messages);
  EXPECT_EQ(split.counts().payload_bytes, whole.counts().payload_bytes);
  EXPECT_EQ(split.close_seen(), whole.close_seen());
  EXPECT_EQ(split.close_code(), whole.close_code());
  EXPECT_EQ(split.at_boundary(), whole.at_boundary());
}

TEST(FrameWalkerProperty, AnySplitGivesTheSameCountsAndBoundaries) {
  std::mt19937 random(20240607);
  for (int round = 0; round < 2000; ++round) {
    const Stream stream = random_stream(random);
    FrameWalker whole;
    ASSERT_EQ(walk(whole, stream.bytes), stream.bytes.size());

    FrameWalker split;
    const std::size_t longest = 1 + random() % 40;
    std::size_t at = 0;
    while (at < stream.bytes.size()) {
      const std::size_t size = std::min<std::size_t>(1 + random() % longest, stream.bytes.size() - at);
      const std::string_view piece = std::string_view(stream.bytes).substr(at, size);
      std::size_t last_end = at;
      for (const std::size_t end : stream.ends) {
        if (end > at && end <= at + size) last_end = end;
      }
      ASSERT_EQ(boundary(split, piece), last_end - at);
      ASSERT_EQ(walk(split, piece), size);
      at += size;
      const bool on_end = std::find(stream.ends.begin(), stream.ends.end(), at) != stream.ends.end();
      ASSERT_EQ(split.at_boundary(), on_end);
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
    std::size_t split_walked = 0;
    for (const char& byte : bytes) split_walked += split.walk(&byte, 1);
    ASSERT_EQ(split_walked, walked);
    expect_same(split, whole);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

TEST(MakeCloseFrame, Unmasked) {
  EXPECT_EQ(make_close_frame(1001, "bye", std::nullopt), std::string("\x88\x05\x03\xE9") + "bye");
}

TEST(MakeCloseFrame, Masked) {
  // 1000 is 03 E8.
  EXPECT_EQ(make_close_frame(1000, "", 0x01020304), "\x88\x82\x01\x02\x03\x04\x02\xEA");
}

TEST(MakeCloseFrame, IsReadBackByTheWalker) {
  for (const std::uint16_t code : {1000, 1001, 1012, 3000, 4999}) {
    const std::string frame = make_close_frame(code, "because", 0xCAFEBABE);
    FrameWalker walker;
    EXPECT_EQ(walk(walker, frame), frame.size());
    EXPECT_EQ(walker.close_code(), code);
  }
}

TEST(MakeCloseFrame, CutsTheReasonBetweenCharacters) {
  EXPECT_EQ(make_close_frame(1000, std::string(200, 'a'), std::nullopt).size(), 2u + 125u);
  // 61 two-byte characters are 122 bytes; the 62nd would end at 124.
  std::string reason;
  for (int i = 0; i < 80; ++i) reason += "\xC3\xA9";
  const std::string frame = make_close_frame(1000, reason, std::nullopt);
  EXPECT_EQ(frame.size(), 2u + 2u + 122u);
  EXPECT_EQ(frame[1], 124);
}

TEST(MakeCloseFrame, ReservedCodesAreNotSent) {
  for (const std::uint16_t code : {1005, 1006, 1015}) {
    EXPECT_EQ(make_close_frame(code, "no", std::nullopt), std::string("\x88\x00", 2));
  }
}

}  // namespace
}  // namespace sluice::websocket
