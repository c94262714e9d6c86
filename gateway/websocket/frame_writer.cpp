#include "gateway/websocket/frame_writer.h"

#include <cstring>

namespace sluice::websocket {
namespace {

constexpr std::uint8_t kFinal = 0x80, kMasked = 0x80, kLength16 = 126, kLength64 = 127;

// What stands in a header's second byte for a payload of this size.
std::uint8_t length_form(std::size_t payload) noexcept {
  return payload < kLength16 ? static_cast<std::uint8_t>(payload) : payload <= 0xFFFF ? kLength16 : kLength64;
}

std::size_t header_size(std::size_t payload, bool masked) noexcept {
  return FrameHeader::size_of(static_cast<std::uint8_t>(length_form(payload) | (masked ? kMasked : 0)));
}

}  // namespace

FrameWriter::FrameWriter(std::size_t capacity) : memory_(std::make_unique_for_overwrite<char[]>(capacity)), capacity_(capacity) {}

void FrameWriter::begin(std::uint8_t first, std::optional<MaskKey> mask, std::size_t expected) noexcept {
  first_ = first;
  mask_ = mask;
  begin_ = size_;
  header_size_ = header_size(expected, mask.has_value());
  size_ += header_size_;
}

void FrameWriter::end(bool final) noexcept {
  const std::size_t size = payload();
  const std::size_t header = header_size(size, mask_.has_value());
  char* to = memory_.get() + begin_;
  if (header != header_size_) std::memmove(to + header, to + header_size_, size);
  size_ = begin_ + header + size;
  header_size_ = 0;
  const std::uint8_t form = length_form(size);
  *to++ = static_cast<char>(first_ | (final ? kFinal : 0));
  *to++ = static_cast<char>(form | (mask_ ? kMasked : 0));
  const int length_bits = form == kLength16 ? 16 : form == kLength64 ? 64 : 0;
  for (int shift = length_bits - 8; shift >= 0; shift -= 8) *to++ = static_cast<char>(std::uint64_t{size} >> shift);
  if (!mask_) return;
  to = std::copy(mask_->begin(), mask_->end(), to);
  apply_mask(*mask_, to, size, to);
}

void FrameWriter::discard() noexcept {
  if (!is_open()) return;
  size_ = begin_;
  header_size_ = 0;
}

void FrameWriter::put(Opcode opcode, std::string_view payload, std::optional<MaskKey> mask) noexcept {
  begin(static_cast<std::uint8_t>(opcode), mask, payload.size());
  std::copy(payload.begin(), payload.end(), room());
  grow(payload.size());
  end(true);
}

}  // namespace sluice::websocket
