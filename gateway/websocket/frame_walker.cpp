#include "gateway/websocket/frame_walker.h"

#include <algorithm>
#include <cstring>

namespace sluice::websocket {
namespace {

constexpr std::uint64_t kHighestBit = std::uint64_t{1} << 63;
constexpr std::uint8_t kFinal = 0x80;

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

std::size_t FrameWalker::walk(const char* data, std::size_t size) noexcept {
  std::size_t walked = 0;
  while (walked < size && !close_seen_) {
    const std::size_t left = size - walked;
    std::size_t taken = payload_left_ > 0 ? take_payload(left) : take_simple(data + walked, left);
    if (taken == 0) taken = take_header(data + walked, left, walked == 0);
    if (taken == 0) break;
    walked += taken;
  }
  return walked;
}

// A message in one frame, against which nothing speaks, is most of what passes: its header and what is there of its payload. 0: it is
// not so simple, take_header() decides. That way takes 200 instructions, this one 50 (2026-11, callgrind).
std::size_t FrameWalker::take_simple(const char* data, std::size_t size) noexcept {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(data);
  if ((in_message_ | drops_ | pong_expected_) || fate_ != Fate::passes || allowance_ == 0 || violation_ != Violation::none || size < 4) return 0;
  const std::uint8_t first = bytes[0] & ~rules_.reserved_bits;
  const bool whole_message = first == (kFinal | static_cast<std::uint8_t>(Opcode::text)) || first == (kFinal | static_cast<std::uint8_t>(Opcode::binary));
  if (!whole_message || (bytes[1] >> 7) != rules_.masked) return 0;
  std::size_t header = rules_.masked ? 2 + FrameHeader::kMaskSize : 2;
  std::size_t payload = bytes[1] & 0x7F;
  if (payload > FrameHeader::kMaxControlPayload) {
    if (payload == 127) return 0;
    payload = static_cast<std::size_t>(bytes[2]) << 8 | bytes[3];
    header += 2;
    if (payload <= FrameHeader::kMaxControlPayload) return 0;
  }
  if (size < header || payload >= kLargePayload || payload > rules_.max_frame || payload > rules_.max_message) return 0;
  const std::size_t here = std::min(size - header, payload);
  if (allowance_ != kUnlimited) --allowance_;
  ++counts_.data_frames;
  ++counts_.messages;
  counts_.payload_bytes += here;
  message_size_ = payload;
  payload_left_ = payload - here;
  payload_left_is_data_ = true;
  large_ = false;
  if (sizes_ != nullptr) sizes_->observe(static_cast<double>(payload));
  return header + here;
}

std::size_t FrameWalker::boundary_within(const char* data, std::size_t size) const noexcept {
  FrameWalker probe = look_ahead();
  std::size_t walked = 0;
  std::size_t boundary = 0;
  while (walked < size && !probe.close_seen_) {
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
  payload_left_is_data_ = true;
  counts_.payload_bytes -= size;  // below 0 it wraps, and comes back as they pass
}

std::size_t FrameWalker::take_payload(std::size_t size) noexcept {
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, size));
  payload_left_ -= taken;
  if (payload_left_is_data_) counts_.payload_bytes += taken;
  return taken;
}

std::size_t FrameWalker::take_header(const char* data, std::size_t size, bool begins_run) noexcept {
  if (size < 2) return 0;
  const FrameHeader header{reinterpret_cast<const std::uint8_t*>(data)};
  const std::size_t header_size = header.size();
  if (size < header_size) return 0;
  if (violation_ != Violation::none) return skip_header(header);
  const Violation seen = judge(header);
  const bool only_observed = rules_.observe && (seen == Violation::frame_too_big || seen == Violation::message_too_big);
  if (seen != Violation::none && !only_observed) {
    violation_ = seen;
    return 0;
  }
  if (is(header, Opcode::close)) {
    const Fate fate = swallows_close_ ? Fate::swallowed : Fate::passes;
    return begins_run || fate_ == fate ? take_close(header, size) : 0;
  }
  const bool whole = size - header_size >= header.payload();
  if (pong_expected_ && is(header, Opcode::pong) && !whole) return 0;
  const Fate fate = drops_ || pong_expected_ ? fate_of(header) : Fate::passes;
  if (fate != Fate::swallowed && has_to_wait(header)) return 0;
  if (fate != fate_ && !begins_run) return 0;
  fate_ = fate;
  if (fate != Fate::swallowed) charge(header);
  if (only_observed) ++(seen == Violation::frame_too_big ? observed_.frames : observed_.messages);
  if (fate == Fate::swallowed) {
    pong_expected_ = false;
    return header_size + header.payload();
  }
  payload_left_ = header.payload();
  payload_left_is_data_ = !header.is_control();
  if (payload_left_is_data_) {
    begin_data(header);
  } else {
    ++(is(header, Opcode::ping) ? counts_.pings : counts_.pongs);
  }
  return header_size;
}

bool FrameWalker::has_to_wait(const FrameHeader& header) noexcept {
  waits_ = allowance_ == 0 && counts_against_rate(header) && !(is(header, Opcode::pong) && free_pongs_ > 0);
  return waits_;
}

void FrameWalker::charge(const FrameHeader& header) noexcept {
  if (is(header, Opcode::pong) && free_pongs_ > 0) {
    --free_pongs_;
  } else if (allowance_ != kUnlimited && counts_against_rate(header)) {
    --allowance_;
  }
}

Fate FrameWalker::fate_of(const FrameHeader& header) const noexcept {
  if (header.is_control()) return pong_expected_ && answers_ping(header) ? Fate::swallowed : Fate::passes;
  return drops_ && header.final() && !in_message_ ? Fate::dropped : Fate::passes;
}

bool FrameWalker::answers_ping(const FrameHeader& header) const noexcept {
  if (!is(header, Opcode::pong) || header.payload() != sizeof pong_) return false;
  std::uint8_t bytes[sizeof pong_];
  const std::uint8_t* payload = header.bytes + header.size();
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    bytes[i] = header.masked() ? payload[i] ^ header.mask()[i % FrameHeader::kMaskSize] : payload[i];
  }
  return std::memcmp(bytes, &pong_, sizeof pong_) == 0;
}

void FrameWalker::begin_data(const FrameHeader& header) noexcept {
  large_ = payload_left_ >= kLargePayload;
  ++counts_.data_frames;
  message_size_ = in_message_ ? message_size_ + payload_left_ : payload_left_;
  in_message_ = !header.final();
  if (header.final()) {
    ++counts_.messages;
    if (sizes_ != nullptr) sizes_->observe(static_cast<double>(message_size_));
  }
  if (fate_ == Fate::dropped) ++counts_.dropped;
}

// Of a sender that broke a rule it is enough that it says Close.
std::size_t FrameWalker::skip_header(const FrameHeader& header) noexcept {
  close_seen_ = is(header, Opcode::close);
  payload_left_ = close_seen_ ? 0 : header.payload();
  payload_left_is_data_ = false;
  return header.size();
}

std::size_t FrameWalker::take_close(const FrameHeader& header, std::size_t size) noexcept {
  const std::size_t payload = header.payload();
  if (size < header.size() + payload) return 0;
  if (payload == 1) violation_ = Violation::close_payload;
  if (payload >= 2) {
    const ClosePayload close(header);
    close_code_ = close.code();
    if (!may_be_sent(close.code())) {
      violation_ = Violation::close_code;
    } else if (!is_utf8(close.reason())) {
      violation_ = Violation::close_reason;
    }
  }
  if (violation_ != Violation::none) return 0;
  fate_ = swallows_close_ ? Fate::swallowed : Fate::passes;
  ++counts_.closes;
  close_seen_ = true;
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
  if (begins_message && in_message_) return Violation::missing_continuation;
  if (!begins_message && !in_message_) return Violation::unexpected_continuation;
  return judge_size(payload);
}

Violation FrameWalker::judge_size(std::uint64_t payload) noexcept {
  const std::uint64_t before = in_message_ ? message_size_ : 0;
  Violation violation = Violation::none;
  if (payload > rules_.max_frame) violation = Violation::frame_too_big;
  // Of an observed one, once.
  if (before <= rules_.max_message && payload > rules_.max_message - before) violation = Violation::message_too_big;
  return violation;
}

std::optional<std::uint16_t> FrameWalker::close_code() const noexcept {
  if (!close_seen_) return std::nullopt;
  return close_code_;
}

std::uint16_t close_code_for(Violation violation) noexcept {
  switch (violation) {
    case Violation::close_reason:
    case Violation::text_not_utf8:
    case Violation::broken_deflate: return kInvalidPayload;
    case Violation::frame_too_big:
    case Violation::message_too_big: return kMessageTooBig;
    case Violation::message_rate: return kPolicyViolation;
    case Violation::slow_consumer: return kTryAgainLater;
    default: return kProtocolError;
  }
}

}  // namespace sluice::websocket
