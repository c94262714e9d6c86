#include "gateway/websocket/frame_walker.h"

#include <algorithm>
#include <cstring>

namespace sluice::websocket {
namespace {

constexpr std::uint64_t kHighestBit = std::uint64_t{1} << 63;
// A header's first four bytes as one number.
constexpr std::uint32_t kFinal = 0x80'00'00'00;
constexpr std::uint32_t kMasked = 0x00'80'00'00;
constexpr unsigned kLengthAt = 16;
constexpr std::uint32_t kTwoByteLength = 126U << kLengthAt;
constexpr std::uint32_t kLeastOfTwoBytes = FrameHeader::kMaxControlPayload + 1;  // what is shorter has to say so in one
// Text and binary have one bit in common when they are one more: without a branch, for which comes next is anybody's guess.
constexpr std::uint32_t kNextOpcode = 0x01'00'00'00;
constexpr std::uint32_t kTextOrBinary = 0x02'00'00'00;
constexpr std::uint32_t kEitherOpcode = 0x01'00'00'00;
static_assert(static_cast<int>(Opcode::text) == 1 && static_cast<int>(Opcode::binary) == 2);

std::uint32_t first_four(const char* data) noexcept {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(data);
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

bool is(const FrameHeader& header, Opcode opcode) noexcept { return header.opcode() == static_cast<std::uint8_t>(opcode); }

bool is_reserved(std::uint8_t opcode) noexcept {
  return opcode > static_cast<std::uint8_t>(Opcode::pong) ||
         (opcode > static_cast<std::uint8_t>(Opcode::binary) && opcode < static_cast<std::uint8_t>(Opcode::close));
}

bool counts_against_rate(const FrameHeader& header) noexcept {
  if (is(header, Opcode::close)) return false;
  return header.is_control() || !is(header, Opcode::continuation) || header.payload() == 0;
}

// The payload of a Close frame, unmasked.
class ClosePayload {
 public:
  explicit ClosePayload(const FrameHeader& header) noexcept : size_(header.payload()) {
    const std::uint8_t* payload = header.bytes + header.size();
    for (std::size_t i = 0; i < size_; ++i) {
      bytes_[i] = static_cast<char>(header.masked() ? payload[i] ^ header.mask()[i % FrameHeader::kMaskSize] : payload[i]);
    }
  }
  std::uint16_t code() const noexcept {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes_[0]) << 8 | static_cast<unsigned char>(bytes_[1]));
  }
  std::string_view reason() const noexcept { return {bytes_ + 2, size_ - 2}; }

 private:
  std::size_t size_;
  char bytes_[FrameHeader::kMaxControlPayload];
};

}  // namespace

FrameWalker::FrameWalker(const FrameRules& rules, metrics::Histogram* sizes) noexcept : sizes_(sizes), rules_(rules) {
  const std::uint64_t most = std::min({kLargePayload - 1, rules.max_frame, rules.max_message});
  most_short_ = static_cast<std::uint8_t>(std::min<std::uint64_t>(most, kLeastOfTwoBytes - 1));
  simple_lengths_ = static_cast<std::uint16_t>(most - most_short_);
  simple_mask_ = ~(std::uint32_t{rules.reserved_bits} << 24 | kEitherOpcode);
  simple_value_ = kFinal | kTextOrBinary | (rules.masked ? kMasked : 0) | kTwoByteLength;
  simple_header_ = static_cast<std::uint8_t>(2 + (rules.masked ? FrameHeader::kMaskSize : 0));
}

// One message in one frame, against which nothing speaks, and nothing behind it: most of what one read brings.
std::size_t FrameWalker::walk(const char* data, std::size_t size) noexcept {
  const SimpleFrame frame = is_usual() ? simple_frame(data, size) : SimpleFrame{};
  if (frame.header + frame.payload != size) return walk_on(data, size);
  count_message(frame.payload);
  return size;
}

// Says of a header whether it is one that most are like, in the fewest steps: with what walk() does besides 26 instructions, and 16 for
// the size (2026-11, callgrind: of 870 for carrying 128 bytes one way); by take_header() it takes 200. What remains of the four bytes
// when all that they should be is taken off is the length.
inline FrameWalker::SimpleFrame FrameWalker::simple_frame(const char* data, std::size_t size) const noexcept {
  if (size < 4) return {};
  const std::uint32_t differs = ((first_four(data) + kNextOpcode) & simple_mask_) ^ simple_value_;
  if (differs - kLeastOfTwoBytes < simple_lengths_) return {simple_header_ + std::size_t{2}, differs};
  const std::uint32_t payload = (differs ^ kTwoByteLength) >> kLengthAt;
  if (payload > most_short_) return {};
  return {simple_header_, payload};
}

inline void FrameWalker::count_message(std::size_t payload) noexcept {
  ++counts_.messages;
  counts_.payload_bytes += payload;
  if (sizes_ != nullptr) sizes_->observe(static_cast<double>(static_cast<std::int64_t>(payload)));  // signed: one instruction
}

// 0: it is not so simple, take_header() decides.
inline std::size_t FrameWalker::take_simple(const char* data, std::size_t size) noexcept {
  if (!is_usual_but_limited()) return 0;
  const SimpleFrame frame = simple_frame(data, size);
  const std::size_t taken = frame.header + frame.payload;
  if (taken > size || allowance_ == 0) return 0;
  if (state_.limited) --allowance_;
  count_message(frame.payload);
  return taken;
}

std::size_t FrameWalker::walk_on(const char* data, std::size_t size) noexcept {
  std::size_t walked = 0;
  while (walked < size && !state_.close_seen) {
    const std::size_t left = size - walked;
    std::size_t taken = payload_left_ > 0 ? take_payload(left) : take_simple(data + walked, left);
    if (taken == 0) taken = take_header(data + walked, left, walked == 0);
    if (taken == 0) break;
    walked += taken;
  }
  return walked;
}

std::size_t FrameWalker::boundary_within(const char* data, std::size_t size) const noexcept {
  FrameWalker probe = look_ahead();
  std::size_t walked = 0;
  std::size_t boundary = 0;
  while (walked < size && !probe.state_.close_seen) {
    const std::size_t left = size - walked;
    const std::size_t taken = probe.payload_left_ > 0 ? probe.take_payload(left) : probe.take_header(data + walked, left, true);
    if (taken == 0) break;
    walked += taken;
    if (probe.at_boundary()) boundary = walked;
  }
  return boundary;
}

void FrameWalker::adopt(const FrameWalker& ahead) noexcept {
  metrics::Histogram* const sizes = sizes_;
  const bool completes = ahead.counts_.messages > counts_.messages;
  *this = ahead;
  sizes_ = sizes;
  if (completes && sizes != nullptr) sizes->observe(static_cast<double>(message_size_));
}

void FrameWalker::pass_unseen(std::uint64_t size) noexcept {
  payload_left_ -= size;
  counts_.payload_bytes += size;
}

void FrameWalker::take_back(std::size_t size) noexcept {
  payload_left_ += size;
  state_.control = false;
  counts_.payload_bytes -= size;  // below 0 it wraps, and comes back as they pass
}

std::size_t FrameWalker::take_payload(std::size_t size) noexcept {
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, size));
  payload_left_ -= taken;
  if (!state_.control) counts_.payload_bytes += taken;
  return taken;
}

std::size_t FrameWalker::take_header(const char* data, std::size_t size, bool begins_run) noexcept {
  if (size < 2) return 0;
  const FrameHeader header{reinterpret_cast<const std::uint8_t*>(data)};
  const std::size_t header_size = header.size();
  if (size < header_size) return 0;
  if (state_.violation != Violation::none) return skip_header(header);
  const Violation seen = judge(header);
  const bool only_observed = rules_.observe && (seen == Violation::frame_too_big || seen == Violation::message_too_big);
  if (seen != Violation::none && !only_observed) {
    state_.violation = seen;
    return 0;
  }
  if (is(header, Opcode::close)) {
    const Fate fate = state_.swallows_close ? Fate::swallowed : Fate::passes;
    return begins_run || state_.fate == fate ? take_close(header, size) : 0;
  }
  const bool whole = size - header_size >= header.payload();
  if (state_.pong_expected && is(header, Opcode::pong) && !whole) return 0;
  const Fate fate = state_.drops || state_.pong_expected ? fate_of(header) : Fate::passes;
  if (fate != Fate::swallowed && has_to_wait(header)) return 0;
  if (fate != state_.fate && !begins_run) return 0;
  state_.fate = fate;
  if (fate != Fate::swallowed) charge(header);
  if (only_observed) ++(seen == Violation::frame_too_big ? observed_.frames : observed_.messages);
  if (fate == Fate::swallowed) {
    pongs_expected_ = static_cast<std::uint16_t>(pongs_behind(header));
    state_.pong_expected = pongs_expected_ > 0;
    return header_size + header.payload();
  }
  payload_left_ = header.payload();
  state_.control = header.is_control();
  if (state_.control) {
    ++(is(header, Opcode::ping) ? counts_.pings : counts_.pongs);
  } else {
    begin_data(header);
  }
  return header_size;
}

bool FrameWalker::has_to_wait(const FrameHeader& header) noexcept {
  state_.waits = allowance_ == 0 && counts_against_rate(header) && !(is(header, Opcode::pong) && free_pongs_ > 0);
  return state_.waits;
}

void FrameWalker::charge(const FrameHeader& header) noexcept {
  if (is(header, Opcode::pong) && free_pongs_ > 0) {
    --free_pongs_;
  } else if (allowance_ != kUnlimited && counts_against_rate(header)) {
    --allowance_;
  }
}

Fate FrameWalker::fate_of(const FrameHeader& header) const noexcept {
  if (header.is_control()) return state_.pong_expected && pongs_behind(header) < pongs_expected_ ? Fate::swallowed : Fate::passes;
  return state_.drops && header.final() && !state_.in_message ? Fate::dropped : Fate::passes;
}

// How many of the Pongs that are expected have to come after this one; all of them or more: it is not among them.
std::uint64_t FrameWalker::pongs_behind(const FrameHeader& header) const noexcept {
  if (!is(header, Opcode::pong) || header.payload() != sizeof pong_) return pongs_expected_;
  std::uint8_t bytes[sizeof pong_];
  const std::uint8_t* payload = header.bytes + header.size();
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    bytes[i] = header.masked() ? payload[i] ^ header.mask()[i % FrameHeader::kMaskSize] : payload[i];
  }
  std::uint64_t answered = 0;
  std::memcpy(&answered, bytes, sizeof answered);
  return pong_ - answered;
}

void FrameWalker::begin_data(const FrameHeader& header) noexcept {
  state_.large = payload_left_ >= kLargePayload;
  message_size_ = state_.in_message ? message_size_ + payload_left_ : payload_left_;
  state_.in_message = !header.final();
  if (!header.final()) {
    ++counts_.fragments;
  } else {
    ++counts_.messages;
    if (sizes_ != nullptr) sizes_->observe(static_cast<double>(message_size_));
  }
  if (state_.fate == Fate::dropped) ++counts_.dropped;
}

// Of a sender that broke a rule it is enough that it says Close.
std::size_t FrameWalker::skip_header(const FrameHeader& header) noexcept {
  state_.close_seen = is(header, Opcode::close);
  payload_left_ = state_.close_seen ? 0 : header.payload();
  state_.control = true;
  return header.size();
}

std::size_t FrameWalker::take_close(const FrameHeader& header, std::size_t size) noexcept {
  const std::size_t payload = header.payload();
  if (size < header.size() + payload) return 0;
  if (payload == 1) state_.violation = Violation::close_payload;
  if (payload >= 2) {
    const ClosePayload close(header);
    close_code_ = close.code();
    if (!may_be_sent(close.code())) {
      state_.violation = Violation::close_code;
    } else if (!is_utf8(close.reason())) {
      state_.violation = Violation::close_reason;
    }
  }
  if (state_.violation != Violation::none) return 0;
  state_.fate = state_.swallows_close ? Fate::swallowed : Fate::passes;
  ++counts_.closes;
  state_.close_seen = true;
  return header.size() + payload;
}

Violation FrameWalker::judge(const FrameHeader& header) noexcept {
  const std::uint8_t opcode = header.opcode();
  const bool begins_message = opcode == static_cast<std::uint8_t>(Opcode::text) || opcode == static_cast<std::uint8_t>(Opcode::binary);
  const std::uint8_t allowed = begins_message ? rules_.reserved_bits : 0;
  if ((header.reserved_bits() & ~allowed) != 0 && !rules_.any_reserved_bits) return Violation::reserved_bits;
  if (is_reserved(opcode)) return Violation::reserved_opcode;
  if (header.masked() != rules_.masked) return rules_.masked ? Violation::unmasked : Violation::masked;
  const std::uint64_t payload = header.payload();
  if (payload >= kHighestBit) return Violation::impossible_length;
  if (!header.length_is_shortest()) return Violation::long_length;
  if (header.is_control()) {
    if (payload > FrameHeader::kMaxControlPayload) return Violation::control_too_long;
    return header.final() ? Violation::none : Violation::control_fragmented;
  }
  if (begins_message && state_.in_message) return Violation::missing_continuation;
  if (!begins_message && !state_.in_message) return Violation::unexpected_continuation;
  return judge_size(payload);
}

Violation FrameWalker::judge_size(std::uint64_t payload) noexcept {
  const std::uint64_t before = state_.in_message ? message_size_ : 0;
  Violation violation = Violation::none;
  if (payload > rules_.max_frame) violation = Violation::frame_too_big;
  // Of an observed one, once.
  if (before <= rules_.max_message && payload > rules_.max_message - before) violation = Violation::message_too_big;
  return violation;
}

std::optional<std::uint16_t> FrameWalker::close_code() const noexcept {
  if (!state_.close_seen) return std::nullopt;
  return close_code_;
}

}  // namespace sluice::websocket
