#include "gateway/websocket/frame.h"

#include <cstring>

namespace sluice::websocket {
namespace {

constexpr std::uint8_t kFin = 0x80;
constexpr std::uint8_t kMasked = 0x80;

std::string_view cut_to_characters(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  // A continuation byte at the cut belongs to a character that began before it.
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

// The length of the character that begins with these bytes, of which there is at least one; 0: it is none.
std::size_t character_size(std::string_view text) noexcept {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) >= 0xA0;
  const bool beyond = first == 0xF4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : size;
}

std::string make_control_frame(Opcode opcode, std::string_view payload, std::optional<std::uint32_t> mask) {
  std::string frame;
  frame += static_cast<char>(kFin | static_cast<std::uint8_t>(opcode));
  frame += static_cast<char>((mask ? kMasked : 0) | payload.size());
  if (!mask) return frame += payload;
  char key[FrameHeader::kMaskSize];
  for (std::size_t i = 0; i < sizeof key; ++i) key[i] = static_cast<char>(*mask >> (24 - 8 * i));
  frame.append(key, sizeof key);
  for (std::size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ key[i % sizeof key]);
  return frame;
}

}  // namespace

bool may_be_sent(std::uint16_t close_code) noexcept {
  constexpr std::uint16_t kFirst = 1000, kReserved = 1004, kLastRegistered = 1014, kFirstLibrary = 3000, kLastPrivate = 4999;
  if (close_code >= kFirstLibrary) return close_code <= kLastPrivate;
  if (close_code < kFirst || close_code > kLastRegistered) return false;
  return close_code != kReserved && close_code != kNoStatus && close_code != kAbnormalClosure;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string make_ping_frame(std::uint64_t payload, std::optional<std::uint32_t> mask) {
  char bytes[sizeof payload];
  std::memcpy(bytes, &payload, sizeof payload);
  return make_control_frame(Opcode::ping, {bytes, sizeof bytes}, mask);
}

std::string make_close_frame(std::uint16_t code, std::string_view reason, std::optional<std::uint32_t> mask) {
  std::string payload;
  if (code != kNoStatus && code != kAbnormalClosure && code != kTlsFailure) {
    payload += static_cast<char>(code >> 8);
    payload += static_cast<char>(code & 0xFF);
    payload += cut_to_characters(reason, FrameHeader::kMaxControlPayload - 2);
  }
  return make_control_frame(Opcode::close, payload, mask);
}

}  // namespace sluice::websocket
