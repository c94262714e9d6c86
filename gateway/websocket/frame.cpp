#include "gateway/websocket/frame.h"

#include <algorithm>
#include <cstring>

namespace sluice::websocket {
namespace {

constexpr std::uint8_t kFin = 0x80;
constexpr std::uint8_t kOpcodeBits = 0x0F;
constexpr std::uint8_t kControlBit = 0x08;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint8_t kLengthBits = 0x7F;
constexpr std::uint8_t kLength16 = 126;
constexpr std::uint8_t kLength64 = 127;
constexpr std::size_t kMaskSize = 4;
constexpr std::size_t kMaxControlPayload = 125;

constexpr std::uint16_t kProtocolError = 1002;
constexpr std::uint16_t kNoStatus = 1005;
constexpr std::uint16_t kAbnormalClosure = 1006;
constexpr std::uint16_t kTlsFailure = 1015;

constexpr bool is_close(std::uint8_t opcode) { return opcode == static_cast<std::uint8_t>(Opcode::close); }
constexpr bool is_data(std::uint8_t opcode) { return (opcode & kControlBit) == 0; }

constexpr std::size_t length_bytes(std::uint8_t second) {
  const std::uint8_t length = second & kLengthBits;
  return length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
}

// The size of the whole header, which its second byte tells.
constexpr std::size_t header_size(std::uint8_t second) {
  return 2 + length_bytes(second) + ((second & kMasked) != 0 ? kMaskSize : 0);
}

std::uint64_t payload_length(const std::uint8_t* header) {
  const std::size_t extended = length_bytes(header[1]);
  if (extended == 0) return header[1] & kLengthBits;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < extended; ++i) length = length << 8 | header[2 + i];
  return length;
}

std::string_view cut_to_characters(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  // A continuation byte at the cut belongs to a character that began before it.
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

}  // namespace

std::size_t FrameWalker::walk(const char* data, std::size_t size) noexcept {
  std::size_t walked = 0;
  while (walked < size && !close_seen_) walked += step(data + walked, size - walked);
  return walked;
}

std::size_t FrameWalker::boundary_within(const char* data, std::size_t size) const noexcept {
  FrameWalker probe = *this;
  std::size_t walked = 0;
  std::size_t boundary = 0;
  while (walked < size && !probe.close_seen_) {
    walked += probe.step(data + walked, size - walked);
    if (probe.at_boundary()) boundary = walked;
  }
  return boundary;
}

std::uint64_t FrameWalker::data_left() const noexcept { return is_data(opcode_) ? payload_left_ : 0; }

void FrameWalker::pass_unseen(std::uint64_t size) noexcept {
  payload_left_ -= size;
  counts_.payload_bytes += size;
}

std::size_t FrameWalker::step(const char* data, std::size_t size) noexcept {
  return payload_left_ > 0 ? take_payload(data, size) : take_header(data, size);
}

std::size_t FrameWalker::take_header(const char* data, std::size_t size) noexcept {
  // The usual case: the whole header is here and is read where it lies.
  if (header_have_ == 0 && size >= 2) {
    const std::size_t need = header_size(static_cast<std::uint8_t>(data[1]));
    if (size >= need) {
      begin_frame(reinterpret_cast<const std::uint8_t*>(data), need);
      return need;
    }
  }
  std::size_t taken = 0;
  while (taken < size) {
    header_[header_have_++] = static_cast<std::uint8_t>(data[taken++]);
    if (header_have_ >= 2 && header_have_ == header_size(header_[1])) {
      const std::size_t whole = header_have_;
      header_have_ = 0;
      begin_frame(header_, whole);
      break;
    }
  }
  return taken;
}

void FrameWalker::begin_frame(const std::uint8_t* header, std::size_t header_size) noexcept {
  opcode_ = header[0] & kOpcodeBits;
  payload_left_ = payload_length(header);
  if (is_data(opcode_)) {
    large_ = payload_left_ >= kLargePayload;
    ++counts_.data_frames;
    if ((header[0] & kFin) != 0) ++counts_.messages;
    return;
  }
  ++counts_.control_frames;
  if (!is_close(opcode_)) return;
  // Its mask is needed when the code comes, which may be in a later read.
  if (header != header_) std::memcpy(header_, header, header_size);
  close_seen_ = payload_left_ == 0;
}

std::size_t FrameWalker::take_payload(const char* data, std::size_t size) noexcept {
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, size));
  if (is_close(opcode_)) {
    for (std::size_t i = 0; i < taken && close_bytes_ < 2; ++i) {
      take_close_byte(static_cast<std::uint8_t>(data[i]));
    }
  }
  payload_left_ -= taken;
  if (is_data(opcode_)) counts_.payload_bytes += taken;
  close_seen_ = is_close(opcode_) && payload_left_ == 0;
  return taken;
}

void FrameWalker::take_close_byte(std::uint8_t byte) noexcept {
  if ((header_[1] & kMasked) != 0) byte ^= header_[header_size(header_[1]) - kMaskSize + close_bytes_];
  close_code_ = static_cast<std::uint16_t>(close_code_ << 8 | byte);
  ++close_bytes_;
}

std::optional<std::uint16_t> FrameWalker::close_code() const noexcept {
  if (!close_seen_) return std::nullopt;
  if (close_bytes_ == 0) return kNoStatus;
  return close_bytes_ == 1 ? kProtocolError : close_code_;
}

std::string make_close_frame(std::uint16_t code, std::string_view reason, std::optional<std::uint32_t> mask) {
  std::string payload;
  if (code != kNoStatus && code != kAbnormalClosure && code != kTlsFailure) {
    payload += static_cast<char>(code >> 8);
    payload += static_cast<char>(code & 0xFF);
    payload += cut_to_characters(reason, kMaxControlPayload - 2);
  }
  std::string frame;
  frame += static_cast<char>(kFin | static_cast<std::uint8_t>(Opcode::close));
  frame += static_cast<char>((mask ? kMasked : 0) | payload.size());
  if (mask) {
    char key[kMaskSize];
    for (std::size_t i = 0; i < kMaskSize; ++i) key[i] = static_cast<char>(*mask >> (24 - 8 * i));
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] ^= key[i % kMaskSize];
    frame.append(key, kMaskSize);
  }
  return frame += payload;
}

}  // namespace sluice::websocket
