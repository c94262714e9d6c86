#include "gateway/websocket/transcoder.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

#include "gateway/websocket/frame_walker.h"
#include "tests/unit/gateway/websocket/frame_bytes.h"
#include "tests/unit/gateway/websocket/zlib_peer.h"

namespace sluice::websocket {
namespace {

constexpr std::uint32_t kMask = 0x1F2E3D4C;
constexpr int kRsv1 = 0x40;

// One direction as a tunnel drives it: a walker in front, what did not pass or was not taken is given again.
class Line {
 public:
  explicit Line(TranscoderRules rules, std::uint64_t max_message = FrameRules::kAny)
      : walker_({.masked = rules.from_client, .reserved_bits = static_cast<std::uint8_t>(rules.deflate ? kRsv1 : 0)}),
        transcoder_(with(rules, max_message)) {}

  // False: the frames or their payload are wrong.
  bool feed(std::string_view piece) {
    held_ += piece;
    std::string_view bytes = held_;
    while (violation == Violation::none) {
      FrameWalker before = walker_;
      const std::size_t passed = walker_.walk(bytes.data(), bytes.size());
      violation = walker_.violation();
      out_.clear();
      // Memory of its own, so that a read behind it is seen.
      const std::string copy(bytes.substr(0, passed));
      const Transcoder::Step step = transcoder_.transcode(copy, out_);
      most_written = std::max(most_written, out_.onward.size());
      onward += out_.onward.bytes();
      pongs += out_.pongs.bytes();
      if (!out_.onward.bytes().empty()) ++writes;
      if (step.violation != Violation::none) violation = step.violation;
      EXPECT_TRUE(step.taken > 0 || passed == 0);
      if (step.taken < passed) {
        walker_ = before;
        EXPECT_EQ(walker_.walk(bytes.data(), step.taken), step.taken);
      }
      bytes.remove_prefix(step.taken);
      if (step.taken == passed) break;
    }
    held_ = std::string(bytes);
    return violation == Violation::none;
  }

  std::string onward, pongs;
  int writes = 0;
  std::size_t most_written = 0;
  Violation violation = Violation::none;
  Transcoder& transcoder() { return transcoder_; }

 private:
  static TranscoderRules with(TranscoderRules rules, std::uint64_t max_message) {
    rules.max_message = max_message;
    return rules;
  }

  FrameWalker walker_;
  Transcoder transcoder_;
  TranscoderOutput out_;
  std::string held_;
};

// Frames as their receiver reads them; the receiver refuses what breaks a rule.
std::vector<Frame> decode(std::string_view bytes, bool masked, bool deflated = false) {
  FrameWalker walker({.masked = masked, .reserved_bits = static_cast<std::uint8_t>(deflated ? kRsv1 : 0)});
  EXPECT_EQ(walker.walk(bytes.data(), bytes.size()), bytes.size());
  EXPECT_EQ(walker.violation(), Violation::none);
  EXPECT_TRUE(walker.at_boundary());
  std::vector<Frame> frames;
  FrameReader reader;
  while (!bytes.empty()) {
    const FrameReader::Piece piece = reader.take(bytes);
    Frame frame{.opcode = reader.opcode(), .payload = std::string(piece.payload.size(), '\0'), .fin = reader.final(), .reserved = reader.reserved_bits()};
    apply_mask(piece.mask, piece.payload.data(), piece.payload.size(), frame.payload.data());
    frames.push_back(std::move(frame));
  }
  return frames;
}

struct Message {
  Opcode opcode;
  std::string data;
  bool operator==(const Message&) const = default;
};

std::vector<Message> messages_of(const std::vector<Frame>& frames, const std::function<std::string(std::string)>& inflate = {}) {
  std::vector<Message> messages;
  bool in_message = false, deflated = false;
  for (const Frame& frame : frames) {
    if (frame.opcode >= Opcode::close) continue;
    if (!in_message) {
      messages.push_back({frame.opcode, ""});
      deflated = frame.reserved != 0;
    }
    messages.back().data += frame.payload;
    in_message = !frame.fin;
    if (frame.fin && deflated) messages.back().data = inflate(messages.back().data);
  }
  EXPECT_FALSE(in_message);
  return messages;
}

std::string data_of(std::mt19937& random, std::size_t size, bool text) {
  std::string out;
  while (out.size() < size) {
    if (text) {
      out += random() % 8 == 0 ? "\xF0\x9F\x98\x80" : random() % 4 == 0 ? "\xC3\xA9" : "{\"room\":" + std::to_string(random() % 50) + "}";
    } else {
      out += static_cast<char>(random());
    }
  }
  while (out.size() > size) {  // whole characters
    do out.pop_back(); while (!out.empty() && text && !is_utf8(out));
  }
  return out;
}

std::vector<Message> some_messages(std::mt19937& random) {
  std::vector<Message> messages;
  constexpr std::size_t kSizes[] = {0, 1, 124, 125, 126, 127, 128, 129, 4000, 65535, 65536, 65537, 150000};
  for (int i = 0; i < 8; ++i) {
    const bool text = random() % 2 == 0;
    messages.push_back({text ? Opcode::text : Opcode::binary, data_of(random, kSizes[random() % std::size(kSizes)], text)});
  }
  return messages;
}

// As a peer might send them: in fragments, with Pings in between.
std::string frames_for(std::mt19937& random, const std::vector<Message>& messages, std::optional<std::uint32_t> mask,
                       const std::function<std::string(std::string)>& deflate, std::vector<std::string>& pings) {
  std::string bytes;
  for (const Message& message : messages) {
    const bool deflated = deflate && random() % 4 != 0;
    std::string data = deflated ? deflate(message.data) : message.data;
    Frame frame{.opcode = message.opcode, .fin = false, .mask = mask, .reserved = deflated ? kRsv1 : 0};
    do {
      const std::size_t size = random() % 2 == 0 ? data.size() : std::min<std::size_t>(data.size(), random() % (random() % 2 == 0 ? 5 : 70000));
      frame.payload = data.substr(0, size);
      data.erase(0, size);
      frame.fin = data.empty() && random() % 4 != 0;
      bytes += encode(frame);
      frame.opcode = Opcode::continuation;
      frame.reserved = 0;
      if (random() % 3 == 0) {
        pings.push_back("ping " + std::to_string(random() % 1000));
        bytes += encode({.opcode = Opcode::ping, .payload = pings.back(), .mask = mask});
      }
      if (random() % 5 == 0) bytes += encode({.opcode = Opcode::pong, .payload = "unasked", .mask = mask});
    } while (!frame.fin);
  }
  return bytes;
}

void feed_in_pieces(std::mt19937& random, Line& line, std::string_view bytes, std::size_t most) {
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + random() % most);
    ASSERT_TRUE(line.feed(bytes.substr(0, size))) << metrics::name_of(line.violation);
    bytes.remove_prefix(size);
  }
}

void expect_pongs(const Line& line, const std::vector<std::string>& pings, bool masked) {
  std::vector<std::string> answered;
  for (const Frame& frame : decode(line.pongs, masked)) {
    EXPECT_EQ(frame.opcode, Opcode::pong);
    answered.push_back(frame.payload);
  }
  EXPECT_EQ(answered, pings);
}

// Whatever the fragments and however their bytes come: the messages that go on are those that came.
TEST(Transcoder, CarriesMessagesBothWaysHoweverTheyCome) {
  std::mt19937 random(11);
  for (int round = 0; round < 80; ++round) {
    const bool from_client = round % 2 == 0;
    Line line({.from_client = from_client});
    const std::vector<Message> sent = some_messages(random);
    std::vector<std::string> pings;
    const std::optional<std::uint32_t> mask = from_client ? std::optional(kMask) : std::nullopt;
    const std::string bytes = frames_for(random, sent, mask, {}, pings);
    feed_in_pieces(random, line, bytes, round < 20 ? 7 : 65536);
    EXPECT_TRUE(messages_of(decode(line.onward, from_client)) == sent);
    expect_pongs(line, pings, !from_client);
  }
}

TEST(Transcoder, InflatesAndDeflatesWithEveryWindowAndTakeover) {
  std::mt19937 random(12);
  for (unsigned bits = 9; bits <= 15; ++bits) {
    for (const bool takeover : {false, true}) {
      for (const bool from_client : {false, true}) {
        metrics::Gauge memory;
        DeflateAgreement agreement;
        agreement.client_window_bits = static_cast<std::uint8_t>(bits);
        agreement.server_window_bits = static_cast<std::uint8_t>(std::min(bits, 12u));
        agreement.client_no_context_takeover = agreement.server_no_context_takeover = !takeover;
        {
          Line line({.from_client = from_client, .deflate = agreement, .memory = &memory});
          const std::vector<Message> sent = some_messages(random);
          std::vector<std::string> pings;
          auto deflater = std::make_unique<PeerDeflater>(static_cast<int>(bits));
          const auto deflate = [&](std::string data) {
            if (!takeover) deflater = std::make_unique<PeerDeflater>(static_cast<int>(bits));
            return deflater->message(std::move(data));
          };
          auto inflater = std::make_unique<PeerInflater>(static_cast<int>(agreement.server_window_bits));
          const auto inflate = [&](std::string data) {
            if (!takeover) inflater = std::make_unique<PeerInflater>(static_cast<int>(agreement.server_window_bits));
            return inflater->message(std::move(data));
          };
          const std::optional<std::uint32_t> mask = from_client ? std::optional(kMask) : std::nullopt;
          std::string bytes = from_client ? frames_for(random, sent, mask, deflate, pings) : frames_for(random, sent, mask, {}, pings);
          feed_in_pieces(random, line, bytes, random() % 3 == 0 ? 9 : 65536);
          ASSERT_TRUE(messages_of(decode(line.onward, from_client, !from_client), inflate) == sent) << bits << takeover << from_client;
          expect_pongs(line, pings, !from_client);
          if (!takeover) {
            EXPECT_EQ(memory.value(), 0);
          }
        }
        EXPECT_EQ(memory.value(), 0);
      }
    }
  }
}

TEST(Transcoder, MakesOneFrameOfAMessageThatCameAtOnce) {
  Line line({.from_client = true});
  line.feed(encode({.opcode = Opcode::text, .payload = "ab", .fin = false, .mask = kMask}) + encode({.opcode = Opcode::ping, .payload = "?", .mask = kMask}) +
            encode({.opcode = Opcode::continuation, .payload = "", .fin = false, .mask = kMask}) +
            encode({.opcode = Opcode::continuation, .payload = std::string(200, 'c'), .mask = kMask}) + encode({.opcode = Opcode::binary, .mask = kMask}));
  const std::vector<Frame> frames = decode(line.onward, true);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].opcode, Opcode::text);
  EXPECT_EQ(frames[0].payload, "ab" + std::string(200, 'c'));
  EXPECT_TRUE(frames[0].fin);
  EXPECT_EQ(frames[1].opcode, Opcode::binary);
  EXPECT_EQ(line.writes, 1);
}

TEST(Transcoder, PassesAtOnceWhatHasComeOfAMessageButNoEmptyFragments) {
  Line line({});
  const std::string bytes = encode({.opcode = Opcode::text, .payload = "hello"});
  line.feed(bytes.substr(0, 2));
  EXPECT_EQ(line.onward, "");
  line.feed(bytes.substr(2, 3));
  line.feed(bytes.substr(5));
  const std::vector<Frame> frames = decode(line.onward, false);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].payload, "hel");
  EXPECT_FALSE(frames[0].fin);
  EXPECT_EQ(frames[1].opcode, Opcode::continuation);
  EXPECT_EQ(frames[1].payload, "lo");
  EXPECT_TRUE(frames[1].fin);
}

TEST(Transcoder, PassesAFragmentAtOnceAlsoDeflated) {
  metrics::Gauge memory;
  Line line({.deflate = DeflateAgreement{}, .memory = &memory});
  PeerInflater peer(12);
  line.feed(encode({.opcode = Opcode::text, .payload = "first half, ", .fin = false}));
  std::vector<Frame> frames = decode(line.onward, false, true);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].reserved, kRsv1);
  std::string first = frames[0].payload;
  ASSERT_TRUE(first.ends_with(kDeflateTail));
  EXPECT_EQ(peer.message(first.substr(0, first.size() - 4)), "first half, ");
  line.feed(encode({.opcode = Opcode::continuation, .fin = true}));
  frames = decode(line.onward, false, true);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[1].reserved, 0);
  EXPECT_EQ(PeerInflater(12).message(first + frames[1].payload), "first half, ");
}

TEST(Transcoder, LeavesSmallMessagesAsTheyAre) {
  metrics::Gauge memory;
  Line line({.deflate = DeflateAgreement{}, .memory = &memory});
  line.feed(encode({.opcode = Opcode::text, .payload = std::string(127, 'a')}));
  EXPECT_EQ(decode(line.onward, false, true).at(0).reserved, 0);
  EXPECT_EQ(memory.value(), 0);
  line.feed(encode({.opcode = Opcode::text, .payload = std::string(128, 'a')}));
  EXPECT_EQ(decode(line.onward, false, true).at(1).reserved, kRsv1);
  EXPECT_GT(memory.value(), 0);
  line.transcoder().give_back_memory();
  EXPECT_EQ(memory.value(), 0);
  line.feed(encode({.opcode = Opcode::text, .payload = std::string(128, 'a')}));
  PeerInflater peer(12);
  const std::vector<Message> messages = messages_of(decode(line.onward, false, true), [&](std::string data) { return peer.message(data); });
  EXPECT_EQ(messages.back().data, std::string(128, 'a'));
}

TEST(Transcoder, KeepsTheDeflaterWithinAMessage) {
  metrics::Gauge memory;
  Line line({.deflate = DeflateAgreement{}, .memory = &memory});
  line.feed(encode({.opcode = Opcode::binary, .payload = std::string(5000, 'a'), .fin = false}));
  line.transcoder().give_back_memory();
  EXPECT_GT(memory.value(), 0);
}

TEST(Transcoder, PassesACloseWithCodeAndReasonMaskedAnew) {
  Line line({.from_client = true});
  line.feed(encode({.opcode = Opcode::text, .payload = "half", .fin = false, .mask = kMask}) +
            encode({.opcode = Opcode::close, .payload = close_payload(4001, "bye"), .mask = kMask}));
  const std::vector<Frame> frames = decode(line.onward, true);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_FALSE(frames[0].fin);
  EXPECT_EQ(frames[1].payload, close_payload(4001, "bye"));
  EXPECT_EQ(line.onward.find(std::string("\x1F\x2E\x3D\x4C")), std::string::npos);
}

TEST(Transcoder, AnswersPingsWithWhatTheyCarryWhereverTheyAreSplit) {
  const std::string ping = encode({.opcode = Opcode::ping, .payload = std::string(125, 'p'), .mask = kMask});
  for (std::size_t at = 1; at < ping.size(); ++at) {
    Line line({.from_client = true});
    line.feed(ping.substr(0, at));
    line.feed(ping.substr(at));
    expect_pongs(line, {std::string(125, 'p')}, false);
    EXPECT_EQ(line.onward, "");
  }
}

TEST(Transcoder, BoundsWhatAFloodOfPingsMakes) {
  std::mt19937 random(1);
  Line line({});
  std::string bytes;
  for (int i = 0; i < 30000; ++i) bytes += encode({.opcode = Opcode::ping});
  ASSERT_TRUE(line.feed(bytes));
  expect_pongs(line, std::vector<std::string>(30000), true);
}

struct Wrong {
  std::string bytes;
  Violation violation;
  std::size_t passes;  // whole frames that go on all the same
};

TEST(Transcoder, StopsAtTheFirstWrongByteOfAText) {
  const auto client = [](Opcode opcode, std::string_view payload, bool fin = true) {
    return encode({.opcode = opcode, .payload = std::string(payload), .fin = fin, .mask = kMask});
  };
  const Wrong cases[] = {
      {client(Opcode::text, "\xCE\xBA\xE1\xBD\xB9\xED\xA0\x80"), Violation::text_not_utf8, 0},
      {client(Opcode::text, "first") + client(Opcode::text, "\xFF") + client(Opcode::text, "third"), Violation::text_not_utf8, 1},
      {client(Opcode::text, "ends within \xE2\x82"), Violation::text_not_utf8, 0},
      {client(Opcode::text, "\xE2\x82", false) + client(Opcode::continuation, "\xAC"), Violation::none, 1},
      {client(Opcode::text, "\xE2\x82", false) + client(Opcode::continuation, ""), Violation::text_not_utf8, 0},
      {client(Opcode::text, "\xE2", false) + client(Opcode::ping, "\xFF") + client(Opcode::continuation, "\x82\xAC"), Violation::none, 1},
      {client(Opcode::binary, "\xFF\xFE") + client(Opcode::text, ""), Violation::none, 2},
  };
  for (const Wrong& one : cases) {
    Line line({.from_client = true});
    line.feed(one.bytes);
    EXPECT_EQ(line.violation, one.violation);
    EXPECT_EQ(decode(line.onward, true).size(), one.passes);
  }
  // Within a frame of which the rest is still to come.
  const std::string bytes = client(Opcode::text, "\xCE\xBA\xF4\x90\x80\x80 and much more");
  Line line({.from_client = true});
  EXPECT_TRUE(line.feed(bytes.substr(0, 9)));
  EXPECT_FALSE(line.feed(bytes.substr(9, 1)));
}

TEST(Transcoder, LooksAtInflatedTextAndTellsBrokenData) {
  metrics::Gauge memory;
  const auto violation_of = [&](std::string payload, Opcode opcode = Opcode::text) {
    Line line({.from_client = true, .deflate = DeflateAgreement{}, .memory = &memory});
    line.feed(encode({.opcode = opcode, .payload = std::move(payload), .mask = kMask, .reserved = kRsv1}));
    EXPECT_EQ(line.onward.empty(), line.violation != Violation::none);
    return line.violation;
  };
  EXPECT_EQ(violation_of(PeerDeflater(15).message("fine \xE2\x82\xAC")), Violation::none);
  EXPECT_EQ(violation_of(PeerDeflater(15).message("not \xFF")), Violation::text_not_utf8);
  EXPECT_EQ(violation_of(PeerDeflater(15).message("ends \xE2\x82")), Violation::text_not_utf8);
  EXPECT_EQ(violation_of("\x07\x07\x07"), Violation::broken_deflate);
  EXPECT_EQ(violation_of(PeerDeflater(15).message("cut off").substr(0, 4), Opcode::binary), Violation::broken_deflate);
  EXPECT_EQ(memory.value(), 0);
}

TEST(Transcoder, CountsInflatedBytesAndStopsABombEarly) {
  metrics::Gauge memory;
  const std::string bomb = PeerDeflater(15, 9).message(std::string(64 << 20, '\0'));
  ASSERT_LT(bomb.size(), 70000u);
  Line line({.from_client = true, .deflate = DeflateAgreement{}, .memory = &memory}, 1 << 20);
  EXPECT_FALSE(line.feed(encode({.opcode = Opcode::binary, .payload = bomb, .mask = kMask, .reserved = kRsv1})));
  EXPECT_EQ(line.violation, Violation::message_too_big);
  EXPECT_LE(line.onward.size(), (1u << 20) + 65536);
  EXPECT_LE(line.most_written, TranscoderOutput::kFull + Deflater::kMostHeldBack);

  const auto violation_of = [&](std::size_t size) {
    Line exact({.from_client = true, .deflate = DeflateAgreement{}, .memory = &memory}, 100000);
    exact.feed(encode({.opcode = Opcode::binary, .payload = PeerDeflater(15).message(std::string(size, 'x')), .mask = kMask, .reserved = kRsv1}));
    return exact.violation;
  };
  EXPECT_EQ(violation_of(100000), Violation::none);
  EXPECT_EQ(violation_of(100001), Violation::message_too_big);
}

TEST(Transcoder, OnlyTellsOfLargeMessagesThatAreObserved) {
  Line line({.observe = true}, 10);
  EXPECT_TRUE(line.feed(encode({.opcode = Opcode::binary, .payload = "12345678901"})));
  EXPECT_EQ(line.transcoder().take_observed(), Violation::message_too_big);
  EXPECT_EQ(line.transcoder().take_observed(), Violation::none);
  EXPECT_EQ(decode(line.onward, false).at(0).payload, "12345678901");
}

// However much comes out of one read, it leaves in writes of a bounded size.
TEST(Transcoder, WritesABoundedAmountAtATime) {
  metrics::Gauge memory;
  std::mt19937 random(5);
  Line inflating({.from_client = true, .deflate = DeflateAgreement{}, .memory = &memory});
  std::string bytes;
  PeerDeflater peer(12, 9);
  for (int i = 0; i < 40; ++i) {
    bytes += encode({.opcode = Opcode::binary, .payload = peer.message(std::string(300000, static_cast<char>(i))), .mask = kMask, .reserved = kRsv1});
  }
  ASSERT_TRUE(inflating.feed(bytes));
  EXPECT_EQ(messages_of(decode(inflating.onward, true)).size(), 40u);
  EXPECT_LE(inflating.most_written, TranscoderOutput::kFull + Deflater::kMostHeldBack);

  // Deflating makes more of what is random and small.
  Line deflating({.deflate = DeflateAgreement{}, .memory = &memory});
  std::vector<Message> sent;
  bytes.clear();
  for (int i = 0; i < 500; ++i) {
    sent.push_back({Opcode::binary, data_of(random, 130, false)});
    bytes += encode({.opcode = Opcode::binary, .payload = sent.back().data});
  }
  ASSERT_TRUE(deflating.feed(bytes));
  PeerInflater inflater(12);
  EXPECT_TRUE(messages_of(decode(deflating.onward, false, true), [&](std::string data) { return inflater.message(data); }) == sent);
  EXPECT_LE(deflating.most_written, TranscoderOutput::kFull + Deflater::kMostHeldBack);
}

}  // namespace
}  // namespace sluice::websocket
