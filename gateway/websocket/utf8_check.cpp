#include "gateway/websocket/utf8_check.h"

#include <cstddef>
#include <cstring>

namespace sluice::websocket {
namespace {

constexpr std::uint8_t kLowest = 0x80, kHighest = 0xBF;  // of a byte that continues a character

// The first byte that is not ASCII, or the end.
const char* skip_ascii(const char* at, const char* end) noexcept {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::uint64_t words[4];
  for (; static_cast<std::size_t>(end - at) >= sizeof words; at += sizeof words) {
    std::memcpy(words, at, sizeof words);
    if (((words[0] | words[1] | words[2] | words[3]) & kHighBits) != 0) break;
  }
  while (at != end && static_cast<std::uint8_t>(*at) < 0x80) ++at;
  return at;
}

}  // namespace

bool Utf8Check::add(std::string_view piece) noexcept {
  const char* at = piece.data();
  const char* const end = at + piece.size();
  while (at != end) {
    if (needed_ == 0) {
      at = skip_ascii(at, end);
      if (at == end) break;
      if (!begin_character(static_cast<std::uint8_t>(*at++))) return false;
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(*at++);
    if (byte < lowest_ || byte > highest_) return false;
    --needed_;
    lowest_ = kLowest;
    highest_ = kHighest;
  }
  return true;
}

// Not ASCII. What would be longer than it has to be, a surrogate, or beyond U+10FFFF shows at the second byte.
bool Utf8Check::begin_character(std::uint8_t first) noexcept {
  if (first < 0xC2 || first > 0xF4) return false;
  needed_ = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  lowest_ = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : kLowest;
  highest_ = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : kHighest;
  return true;
}

}  // namespace sluice::websocket
