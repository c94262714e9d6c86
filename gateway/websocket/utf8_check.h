// Whether a text that comes in pieces is UTF-8 (RFC 3629), told at its first wrong byte. No I/O. Of one message.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::websocket {

class Utf8Check {
 public:
  // False: one of these bytes is wrong, whatever follows. It is not to be asked again then.
  bool add(std::string_view piece) noexcept;
  // Whether the text may end here: not within a character.
  bool at_character_end() const noexcept { return needed_ == 0; }

 private:
  bool begin_character(std::uint8_t first) noexcept;

  std::uint8_t needed_ = 0;    // bytes of a character that has begun
  std::uint8_t lowest_ = 0;    // the next of them lies between these
  std::uint8_t highest_ = 0;
};

}  // namespace sluice::websocket
