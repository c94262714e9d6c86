// RFC 7692 7.2, against messages that zlib makes and takes in other ways than the code under test.
#include "gateway/websocket/deflate_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/gateway/websocket/zlib_peer.h"

namespace sluice::websocket {
namespace {

struct Inflated {
  std::string data;
  bool broken = false;
};

// The message comes in pieces of up to `piece` bytes, into rooms of `room`.
Inflated inflate(Inflater& inflater, std::string_view message, std::size_t piece, std::size_t room) {
  Inflated result;
  std::string buffer(std::max(room, Inflater::kMostHeldBack), '\0');
  while (!message.empty()) {
    std::string_view in = message.substr(0, piece);
    message.remove_prefix(in.size());
    std::size_t written = room;
    while (!in.empty() || written == room) {
      const Inflater::Step step = inflater.inflate(in, buffer.data(), room);
      result.data.append(buffer, 0, written = step.written);
      if (step.broken) return {result.data, true};
    }
  }
  const Inflater::Step end = inflater.end_message(buffer.data(), buffer.size());
  result.data.append(buffer, 0, end.written);
  result.broken = end.broken;
  return result;
}

std::string deflate(Deflater& deflater, std::string_view message, std::size_t piece, std::size_t room, bool flush_pieces) {
  std::string out, buffer(room + Deflater::kMostHeldBack, '\0');
  do {
    std::string_view in = message.substr(0, piece);
    message.remove_prefix(in.size());
    while (in.size() > 0) {
      const std::size_t before = in.size();
      // A piece at a time that may not fit, as the transcoder does it when its buffer is nearly full.
      const std::size_t written = deflater.deflate(in, buffer.data(), room, Deflater::Flush::none);
      EXPECT_TRUE(written > 0 || in.size() < before);
      out.append(buffer, 0, written);
    }
    const Deflater::Flush flush = message.empty()  ? Deflater::Flush::end_message
                                  : flush_pieces ? Deflater::Flush::all
                                                 : Deflater::Flush::none;
    out.append(buffer, 0, deflater.deflate(in, buffer.data(), buffer.size(), flush));
  } while (!message.empty());
  return out;
}

std::string text(std::mt19937& random, std::size_t size) {
  std::string out;
  while (out.size() < size) out += "{\"id\":" + std::to_string(random() % 1000) + ",\"name\":\"room\"},";
  out.resize(size);
  return out;
}
std::string noise(std::mt19937& random, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(random());
  return out;
}

class DeflateCodec : public ::testing::Test {
 protected:
  metrics::Gauge memory_;
  std::mt19937 random_{3};
};

TEST_F(DeflateCodec, InflatesWhatPeersSendHoweverItComes) {
  constexpr std::size_t kSizes[] = {0, 1, 125, 126, 4000, 65535, 65536, 200000};
  for (int bits = 9; bits <= 15; ++bits) {
    PeerDeflater peer(bits);
    Inflater inflater(static_cast<unsigned>(bits), memory_);
    for (const std::size_t size : kSizes) {
      const std::string message = random_() % 2 == 0 ? text(random_, size) : noise(random_, size);
      const Inflated result = inflate(inflater, peer.message(message), 1 + random_() % 5000, 1 + random_() % 3000);
      ASSERT_FALSE(result.broken) << bits << " " << size;
      ASSERT_TRUE(result.data == message) << bits << " " << size;
    }
  }
}

TEST_F(DeflateCodec, DeflatesWhatPeersUnderstandWithEveryWindow) {
  constexpr std::size_t kSizes[] = {0, 1, 125, 126, 4000, 65535, 65536, 200000};
  for (int bits = 8; bits <= 15; ++bits) {
    PeerInflater peer(bits);
    Deflater deflater(static_cast<unsigned>(bits), memory_);
    for (const std::size_t size : kSizes) {
      for (const bool flush_pieces : {false, true}) {
        const std::string message = random_() % 3 != 0 ? text(random_, size) : noise(random_, size);
        const std::string deflated = deflate(deflater, message, 1 + random_() % 50000, 100 + random_() % 30000, flush_pieces);
        ASSERT_TRUE(peer.message(deflated) == message) << bits << " " << size;
      }
    }
  }
}

// zlib's window of 512 bytes is used for those of 256: it must never look back further than those receivers can.
TEST_F(DeflateCodec, LooksBackNoFurtherThanAWindowOf256Bytes) {
  PeerInflater peer(8);
  Deflater deflater(8, memory_);
  for (std::size_t distance = 200; distance <= 600; ++distance) {
    const std::string block = noise(random_, distance);
    const std::string message = block + block + block + text(random_, 300);
    ASSERT_TRUE(peer.message(deflate(deflater, message, 5000, 9000, false), 1) == message) << distance;
  }
}

TEST_F(DeflateCodec, KeepsItsPromiseOfWhatIsHeldBack) {
  // Input of one byte at a time into a room of one byte: what is left then has to fit.
  for (const std::string& message : {std::string(300000, 'a'), noise(random_, 100000), text(random_, 100000)}) {
    PeerDeflater peer(15, 9);
    Inflater inflater(15, memory_);
    std::string deflated = peer.message(message);
    std::string buffer(Inflater::kMostHeldBack, '\0');
    std::size_t total = 0;
    for (std::size_t i = 0; i < deflated.size(); ++i) {
      std::string_view in(&deflated[i], 1);
      total += inflater.inflate(in, buffer.data(), 1).written;
      if (!in.empty()) {
        --i;
        continue;
      }
      const Inflater::Step rest = inflater.inflate(in, buffer.data(), buffer.size());
      ASSERT_LT(rest.written, buffer.size());
      total += rest.written;
    }
    total += inflater.end_message(buffer.data(), buffer.size()).written;
    EXPECT_EQ(total, message.size());
    for (const unsigned bits : {9u, 12u}) {
      Deflater deflater(bits, memory_);
      std::string_view in(message);
      std::string room(Deflater::kMostHeldBack, '\0');
      std::size_t most = 0;
      while (!in.empty()) {
        deflater.deflate(in, room.data(), 1, Deflater::Flush::none);
        if (random_() % 1000 == 0) {
          std::string_view nothing;
          most = std::max(most, deflater.deflate(nothing, room.data(), room.size(), Deflater::Flush::all));
        }
      }
      most = std::max(most, deflater.deflate(in, room.data(), room.size(), Deflater::Flush::end_message));
      EXPECT_LT(most, room.size() - 100);
    }
  }
}

TEST_F(DeflateCodec, UnderstandsTheExamplesOfTheStandard) {
  const auto inflated = [&](std::string message) {
    Inflater inflater(15, memory_);
    const Inflated result = inflate(inflater, message, 3, 100);
    return result.broken ? "broken" : result.data;
  };
  EXPECT_EQ(inflated("\xf2\x48\xcd\xc9\xc9\x07" + std::string(1, '\0')), "Hello");                                // 7.2.3.1
  EXPECT_EQ(inflated(std::string("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11)), "Hello");                 // 7.2.3.3: stored
  EXPECT_EQ(inflated(std::string("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8)), "Hello");                              // 7.2.3.4: final block
  EXPECT_EQ(inflated(std::string("\xf3\x48\xcd\xc9\xc9\x07\x00", 7)), "Hello");                                  // and nothing behind it
  EXPECT_EQ(inflated(std::string("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13)), "Hello");         // 7.2.3.5: two blocks
  EXPECT_EQ(inflated(std::string("\x00", 1)), "");                                                               // 7.2.3.6
  EXPECT_EQ(inflated(""), "");
  Inflater inflater(15, memory_);
  EXPECT_EQ(inflate(inflater, std::string("\xf2\x48\xcd\xc9\xc9\x07\x00", 7), 100, 100).data, "Hello");          // 7.2.3.2: the window
  EXPECT_EQ(inflate(inflater, std::string("\xf2\x00\x11\x00\x00", 5), 100, 100).data, "Hello");                  // stays
}

TEST_F(DeflateCodec, KeepsTheWindowBehindAFinalBlock) {
  Inflater inflater(15, memory_);
  EXPECT_EQ(inflate(inflater, std::string("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8), 100, 100).data, "Hello");
  EXPECT_EQ(inflate(inflater, std::string("\xf2\x00\x11\x00\x00", 5), 100, 100).data, "Hello");
}

TEST_F(DeflateCodec, TakesAnEmptyMessageOfAPeerThatFlushesNothing) {
  PeerDeflater peer(15);
  Inflater inflater(15, memory_);
  EXPECT_EQ(inflate(inflater, peer.message("one"), 100, 100).data, "one");
  const std::string empty = peer.message("");
  EXPECT_EQ(empty, "");  // as zlib has it
  EXPECT_EQ(inflate(inflater, empty, 100, 100).data, "");
  EXPECT_EQ(inflate(inflater, peer.message("one and two"), 100, 100).data, "one and two");
}

TEST_F(DeflateCodec, TellsWhatIsBroken) {
  const auto is_broken = [&](std::string message) {
    Inflater inflater(15, memory_);
    return inflate(inflater, message, 100, 100).broken;
  };
  EXPECT_TRUE(is_broken("\x07"));                                // a block of a kind that does not exist
  EXPECT_TRUE(is_broken(std::string("\x00\x05\x00\x00\x00", 5)));  // stored, with a wrong length
  EXPECT_TRUE(is_broken("\xf2\x48\xcd"));                        // ends within a block
  EXPECT_TRUE(is_broken(std::string("\x00\x05\x00\xfa\xff\x48\x65", 7)));
  EXPECT_TRUE(is_broken(std::string("\xf2\x00\x11\x00\x00", 5)));  // looks back where nothing is
  PeerDeflater peer(15);
  std::string message(400, 'x');
  const std::string far = noise(random_, 3000);
  Inflater small(9, memory_);
  EXPECT_TRUE(inflate(small, peer.message(far + message + far), 100, 100).broken);  // beyond the window that was agreed on
}

TEST_F(DeflateCodec, NeverGoesOnBeyondTheRoomThatABombHas) {
  PeerDeflater peer(15, 9);
  const std::string bomb = peer.message(std::string(16 << 20, '\0'));
  ASSERT_LT(bomb.size(), 20000u);
  Inflater inflater(15, memory_);
  const std::int64_t held = memory_.value();
  std::string_view in(bomb);
  std::string room(1000, '\1');
  EXPECT_EQ(inflater.inflate(in, room.data(), 999).written, 999u);
  EXPECT_EQ(room.back(), '\1');
  EXPECT_GT(in.size(), bomb.size() / 2);
  EXPECT_LE(memory_.value(), held + 40000);
}

TEST_F(DeflateCodec, CountsItsMemoryWhileItHasIt) {
  {
    Deflater deflater(12, memory_);
    const std::int64_t deflating = memory_.value();
    EXPECT_GT(deflating, 20000);
    EXPECT_LT(deflating, 56000);
    Inflater inflater(12, memory_);
    PeerDeflater peer(12);
    inflate(inflater, peer.message("window"), 100, 100);
    EXPECT_GT(memory_.value(), deflating + 4096);
    EXPECT_LT(memory_.value(), deflating + 20000);
  }
  EXPECT_EQ(memory_.value(), 0);
}

}  // namespace
}  // namespace sluice::websocket
