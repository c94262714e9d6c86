// What a WebSocket frame looks like on the wire (RFC 6455 5.2), and the frames that the gateway itself sends. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::websocket {

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// RSV1, in the first frame of a message: permessage-deflate has compressed it (RFC 7692 6).
inline constexpr std::uint8_t kDeflatedBit = 0x40;

// Close codes (RFC 6455 7.4.1).
inline constexpr std::uint16_t kGoingAway = 1001;  // whoever sends it ends, or has waited long enough
inline constexpr std::uint16_t kProtocolError = 1002;
inline constexpr std::uint16_t kNoStatus = 1005;          // never sent
inline constexpr std::uint16_t kAbnormalClosure = 1006;   // never sent
inline constexpr std::uint16_t kInvalidPayload = 1007;
inline constexpr std::uint16_t kPolicyViolation = 1008;
inline constexpr std::uint16_t kMessageTooBig = 1009;
inline constexpr std::uint16_t kInternalError = 1011;
inline constexpr std::uint16_t kTryAgainLater = 1013;
inline constexpr std::uint16_t kTlsFailure = 1015;        // never sent

// Whether a Close frame may carry it: registered ones (7.4.1 and the registry kept since), and those of libraries and
// applications (7.4.2).
bool may_be_sent(std::uint16_t close_code) noexcept;

// RFC 3629: the shortest form, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

// Of a header, its parts. The bytes of one that is whole.
struct FrameHeader {
  static constexpr std::size_t kMaxSize = 14;
  static constexpr std::size_t kMaskSize = 4;
  static constexpr std::size_t kMaxControlPayload = 125;

  const std::uint8_t* bytes;

  // The size of the whole header, which its second byte tells.
  static constexpr std::size_t size_of(std::uint8_t second) noexcept {
    return 2 + length_bytes(second) + ((second & 0x80) != 0 ? kMaskSize : 0);
  }
  std::size_t size() const noexcept { return size_of(bytes[1]); }
  bool final() const noexcept { return (bytes[0] & 0x80) != 0; }
  std::uint8_t reserved_bits() const noexcept { return bytes[0] & 0x70; }
  std::uint8_t opcode() const noexcept { return bytes[0] & 0x0F; }
  bool is_control() const noexcept { return (bytes[0] & 0x08) != 0; }
  bool masked() const noexcept { return (bytes[1] & 0x80) != 0; }
  const std::uint8_t* mask() const noexcept { return bytes + size() - kMaskSize; }  // of a masked one
  std::uint64_t payload() const noexcept {
    const std::size_t extended = length_bytes(bytes[1]);
    if (extended == 0) return bytes[1] & 0x7F;
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < extended; ++i) length = length << 8 | bytes[2 + i];
    return length;
  }
  // RFC 6455 5.2: whether this length has the shortest form that can say it.
  bool length_is_shortest() const noexcept {
    const std::size_t extended = length_bytes(bytes[1]);
    return extended == 0 || payload() > (extended == 2 ? 125U : 0xFFFFU);
  }

 private:
  static constexpr std::size_t length_bytes(std::uint8_t second) noexcept {
    return (second & 0x7F) == 126 ? 2 : (second & 0x7F) == 127 ? 8 : 0;
  }
};

// A Ping frame, masked with `mask` when it goes to a server.
std::string make_ping_frame(std::uint64_t payload, std::optional<std::uint32_t> mask);

// A Close frame with code and reason (cut to 123 bytes, between UTF-8 characters), masked with `mask` when it
// goes to a server. The codes that must never be sent (1005, 1006, 1015: RFC 6455 7.4.1) make a Close frame
// without a payload.
std::string make_close_frame(std::uint16_t code, std::string_view reason, std::optional<std::uint32_t> mask);

}  // namespace sluice::websocket
