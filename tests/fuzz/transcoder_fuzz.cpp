// What a terminated tunnel makes of any bytes that a walker lets pass: frames that the receiver's walker lets pass too, the same messages
// however the bytes were split, and never more at a time than there is room for. Inflates and deflates.
#include <string>

#include "gateway/websocket/frame_walker.h"
#include "gateway/websocket/transcoder.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using websocket::FrameReader;
using websocket::FrameWalker;
using websocket::Opcode;
using websocket::Transcoder;
using websocket::TranscoderOutput;
using websocket::Violation;

constexpr std::uint8_t kRsv1 = 0x40;

struct Setting {
  bool from_client, deflates, no_takeover;
  std::uint8_t window_bits;
  std::uint64_t max_message;
};

metrics::Gauge memory;

websocket::TranscoderRules rules_of(const Setting& setting) {
  websocket::TranscoderRules rules{.from_client = setting.from_client, .max_message = setting.max_message};
  if (setting.deflates) {
    websocket::DeflateAgreement agreement;
    agreement.client_window_bits = agreement.server_window_bits = setting.window_bits;
    agreement.client_no_context_takeover = agreement.server_no_context_takeover = setting.no_takeover;
    rules.deflate = agreement;
    rules.memory = &memory;
  }
  return rules;
}

// Reads the frames that came out, as their receiver does: into the payloads of messages, one behind the other, with a mark for each end.
class Receiver {
 public:
  explicit Receiver(const Setting& setting)
      : walker_({.masked = setting.from_client, .reserved_bits = static_cast<std::uint8_t>(setting.deflates && !setting.from_client ? kRsv1 : 0)}),
        no_takeover_(setting.no_takeover),
        inflater_(setting.window_bits, memory),
        window_bits_(setting.window_bits) {}

  void take(std::string_view bytes) {
    FUZZ_CHECK(walker_.walk(bytes.data(), bytes.size()) == bytes.size());
    FUZZ_CHECK(walker_.violation() == Violation::none);
    FUZZ_CHECK(walker_.at_boundary());
    while (!bytes.empty()) {
      const FrameReader::Piece piece = reader_.take(bytes);
      std::string payload(piece.payload.size(), '\0');
      websocket::apply_mask(piece.mask, piece.payload.data(), payload.size(), payload.data());
      FUZZ_CHECK(reader_.opcode() != Opcode::ping && reader_.opcode() != Opcode::pong);
      if (reader_.opcode() == Opcode::close) {
        seen += "<close " + payload + ">";
        continue;
      }
      if (reader_.opcode() != Opcode::continuation) {
        seen += reader_.opcode() == Opcode::text ? "<text>" : "<binary>";
        deflated_ = reader_.reserved_bits() != 0;
      }
      deflated_ ? inflate(payload) : void(seen += payload);
      if (!reader_.final()) continue;
      seen += "<end>";
      complete = seen.size();
    }
  }
  std::string seen;
  std::size_t complete = 0;  // so much of it is of whole messages

 private:
  void inflate(std::string_view payload) {
    std::string room(websocket::Inflater::kMostHeldBack, '\0');
    std::size_t written = room.size();
    while (!payload.empty() || written == room.size()) {
      const auto step = inflater_.inflate(payload, room.data(), room.size());
      FUZZ_CHECK(!step.broken);
      seen.append(room, 0, written = step.written);
    }
    if (!reader_.final()) return;
    const auto end = inflater_.end_message(room.data(), room.size());
    FUZZ_CHECK(!end.broken);
    seen.append(room, 0, end.written);
    if (no_takeover_) inflater_ = websocket::Inflater(window_bits_, memory);
  }

  FrameWalker walker_;
  FrameReader reader_;
  bool no_takeover_;
  bool deflated_ = false;
  websocket::Inflater inflater_;
  unsigned window_bits_;
};

struct Outcome {
  std::string seen;
  std::size_t complete = 0;
  Violation violation = Violation::none;
};

TranscoderOutput out;

template <typename NextSize>
Outcome play(const Setting& setting, std::string_view bytes, NextSize next_size) {
  FrameWalker walker({.masked = setting.from_client, .reserved_bits = static_cast<std::uint8_t>(setting.deflates && setting.from_client ? kRsv1 : 0)});
  Transcoder transcoder(rules_of(setting));
  Receiver receiver(setting);
  FrameWalker pongs({.masked = !setting.from_client});
  std::size_t passed = 0, given = 0;
  Violation violation = Violation::none;
  while (violation == Violation::none && !walker.close_seen() && (given < bytes.size())) {
    given += next_size(bytes.size() - given);
    for (bool again = true; again && violation == Violation::none;) {
      const FrameWalker before = walker;
      const std::string piece(bytes.substr(passed, given - passed));
      const std::size_t walked = walker.walk(piece.data(), piece.size());
      violation = walker.violation();
      out.clear();
      const std::string judged(piece, 0, walked);
      const Transcoder::Step step = transcoder.transcode(judged, out);
      FUZZ_CHECK(step.taken <= walked);
      FUZZ_CHECK(step.taken > 0 || walked == 0);
      receiver.take(out.onward.bytes());
      FUZZ_CHECK(pongs.walk(out.pongs.bytes().data(), out.pongs.bytes().size()) == out.pongs.bytes().size());
      FUZZ_CHECK(pongs.violation() == Violation::none);
      again = step.taken < walked && step.violation == Violation::none;
      if (step.violation != Violation::none) violation = step.violation;
      if (again) {
        walker = before;
        FUZZ_CHECK(walker.walk(piece.data(), step.taken) == step.taken);
        violation = Violation::none;
      }
      passed += step.taken;
    }
  }
  return {receiver.seen, receiver.complete, violation};
}

struct Comparison {
  Outcome whole, dripping;
  bool same_verdict() const { return (whole.violation == Violation::none) == (dripping.violation == Violation::none); }
};

Comparison play_both(const Setting& setting, std::string_view bytes) {
  fuzz::Pieces pieces(bytes);
  return {play(setting, bytes, [](std::size_t left) { return left; }), play(setting, bytes, [&](std::size_t left) { return pieces.next(left); })};
}

// Whether a sender reaches further back than it may tells zlib by what it still has: then how the bytes come decides, and the largest
// window, beyond which nobody can reach, must mend it.
bool reaches_too_far(Setting setting, std::string_view bytes) {
  setting.window_bits = 15;
  return setting.deflates && setting.from_client && play_both(setting, bytes).same_verdict();
}

}  // namespace

// The first byte: the direction and what was agreed on. The rest is what one side sends.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Setting setting;
  setting.from_client = (data[0] & 1) != 0;
  setting.deflates = (data[0] & 2) != 0;
  setting.no_takeover = (data[0] & 4) != 0;
  setting.window_bits = static_cast<std::uint8_t>(8 + (data[0] >> 3 & 7));
  setting.max_message = (data[0] & 64) != 0 ? 300 : 1 << 20;
  const std::string_view bytes = fuzz::as_text(data + 1, size - 1);
  const Comparison both = play_both(setting, bytes);
  const Outcome &whole = both.whole, &dripping = both.dripping;
  // Of a piece with several wrongs another one may be told; and less of what came at once has gone on before it.
  if (!both.same_verdict()) {
    FUZZ_CHECK(reaches_too_far(setting, bytes));
    return 0;
  }
  if (whole.violation == Violation::none) {
    // Of a message that is not whole, the deflater may have kept something.
    const auto complete = [&](const Outcome& one) { return setting.deflates ? one.seen.substr(0, one.complete) : one.seen; };
    FUZZ_CHECK(complete(whole) == complete(dripping));
  }
  if (!setting.deflates) FUZZ_CHECK(dripping.seen.starts_with(whole.seen));
  return 0;
}
