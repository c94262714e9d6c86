#include "gateway/websocket/frame_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/unit/gateway/websocket/frame_bytes.h"

namespace sluice::websocket {
namespace {

// What a reader makes of bytes, as frames again.
class Reading {
 public:
  void read(std::string_view bytes) {
    while (!bytes.empty()) {
      const FrameReader::Piece piece = reader_.take(bytes);
      if (piece.begins) {
        frames.push_back({.opcode = reader_.opcode(), .fin = reader_.final(), .reserved = reader_.reserved_bits()});
        ended.push_back(false);
      }
      std::string payload(piece.payload.size(), '\0');
      apply_mask(piece.mask, piece.payload.data(), piece.payload.size(), payload.data());
      frames.back().payload += payload;
      ended.back() = piece.ends;
    }
  }
  std::vector<Frame> frames;
  std::vector<bool> ended;

 private:
  FrameReader reader_;
};

std::vector<Frame> some_frames(std::mt19937& random, bool masked) {
  std::vector<Frame> frames;
  constexpr std::size_t kSizes[] = {0, 1, 2, 3, 5, 125, 126, 300, 65535, 65536};
  for (const std::size_t size : kSizes) {
    Frame frame{.opcode = Opcode::binary, .fin = random() % 2 == 0, .reserved = random() % 2 == 0 ? 0x40 : 0};
    for (std::size_t i = 0; i < size; ++i) frame.payload += static_cast<char>(random());
    if (masked) frame.mask = static_cast<std::uint32_t>(random());
    frames.push_back(frame);
    frames.push_back({.opcode = Opcode::ping, .payload = "?", .mask = frame.mask});
  }
  return frames;
}

TEST(FrameReader, TellsTheSameFramesHoweverTheirBytesAreSplit) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    const bool masked = round % 2 == 0;
    const std::vector<Frame> sent = some_frames(random, masked);
    std::string bytes;
    for (const Frame& frame : sent) bytes += encode(frame);
    // A header comes whole, as from a walker; which of these frames may follow which is none of the reader's business.
    Reading reading;
    std::size_t passed = 0, given = 0;
    std::vector<std::size_t> headers;
    for (std::size_t i = 0, at = 0; i < sent.size(); ++i) {
      headers.push_back(at);
      at += encode(sent[i]).size();
    }
    while (passed < bytes.size()) {
      given = std::min(bytes.size(), given + 1 + random() % (round < 20 ? 9 : 40000));
      std::size_t end = given;
      for (const std::size_t header : headers) {
        const FrameHeader at{reinterpret_cast<const std::uint8_t*>(bytes.data() + header)};
        if (header < given && header + at.size() > given) end = header;
      }
      reading.read(std::string_view(bytes).substr(passed, end - passed));
      passed = end;
    }
    ASSERT_EQ(reading.frames.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
      EXPECT_EQ(reading.frames[i].opcode, sent[i].opcode);
      EXPECT_EQ(reading.frames[i].fin, sent[i].fin);
      EXPECT_EQ(reading.frames[i].reserved, sent[i].reserved);
      EXPECT_TRUE(reading.frames[i].payload == sent[i].payload) << i;
      EXPECT_TRUE(reading.ended[i]);
    }
  }
}

TEST(FrameReader, GivesBytesAgainThatWereGivenBack) {
  const std::string bytes = encode({.opcode = Opcode::text, .payload = "abcdefghij", .mask = 0x01020304}) +
                            encode({.opcode = Opcode::text, .payload = "next", .mask = 0x0A0B0C0D});
  for (std::size_t back = 0; back <= 10; ++back) {
    FrameReader reader;
    std::string_view left = bytes;
    FrameReader::Piece piece = reader.take(left);
    ASSERT_TRUE(piece.begins && piece.ends);
    reader.give_back(back);
    left = {left.data() - back, left.size() + back};
    piece = reader.take(left);
    EXPECT_EQ(piece.begins, back == 0);
    EXPECT_TRUE(piece.ends);
    std::string payload(piece.payload.size(), '\0');
    apply_mask(piece.mask, piece.payload.data(), payload.size(), payload.data());
    EXPECT_EQ(payload, back == 0 ? "next" : std::string("abcdefghij").substr(10 - back));
  }
}

TEST(Masking, IsItsOwnInverseFromEveryPositionAndInPlace) {
  const MaskKey key{0x11, 0x80, 0xFF, 0x07};
  std::string plain;
  for (int i = 0; i < 100; ++i) plain += static_cast<char>(i * 37);
  for (std::size_t from = 0; from < 20; ++from) {
    std::string masked = plain.substr(from);
    apply_mask(key_at(key, from), masked.data(), masked.size(), masked.data());
    for (std::size_t i = 0; i < masked.size(); ++i) {
      ASSERT_EQ(static_cast<std::uint8_t>(masked[i]), static_cast<std::uint8_t>(plain[from + i]) ^ key[(from + i) % 4]);
    }
    std::string again(masked.size(), '\0');
    apply_mask(key_at(key, from), masked.data(), masked.size(), again.data());
    EXPECT_EQ(again, plain.substr(from));
  }
}

TEST(Masking, KeysDiffer) {
  MaskKeys keys;
  std::vector<MaskKey> drawn;
  for (int i = 0; i < 1000; ++i) drawn.push_back(keys.next());
  std::sort(drawn.begin(), drawn.end());
  EXPECT_GT(std::unique(drawn.begin(), drawn.end()) - drawn.begin(), 990);
}

}  // namespace
}  // namespace sluice::websocket
