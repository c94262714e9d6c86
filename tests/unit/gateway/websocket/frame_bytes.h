// Frames as their senders write them, right and wrong ones.
#pragma once

#include <string>

#include "gateway/websocket/frame.h"

namespace sluice::websocket {

// Spelled out here, apart from the code under test.
struct Frame {
  Opcode opcode = Opcode::text;
  std::string payload = {};
  bool fin = true;
  std::optional<std::uint32_t> mask = {};
  int length_form = 0;  // 0: the shortest; 16 or 64: that many bits, however short the payload
  int reserved = 0;     // bits of the first byte
};

inline std::string header_of(const Frame& frame, std::uint64_t length) {
  std::string out;
  out += static_cast<char>((frame.fin ? 0x80 : 0) | frame.reserved | static_cast<int>(frame.opcode));
  const int masked = frame.mask ? 0x80 : 0;
  if (frame.length_form == 64 || length > 0xFFFF) {
    out += static_cast<char>(masked | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift);
  } else if (frame.length_form == 16 || length > 125) {
    out += static_cast<char>(masked | 126);
    out += static_cast<char>(length >> 8);
    out += static_cast<char>(length);
  } else {
    out += static_cast<char>(masked | static_cast<int>(length));
  }
  if (frame.mask) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(*frame.mask >> shift);
  }
  return out;
}

inline std::string encode(const Frame& frame) {
  std::string out = header_of(frame, frame.payload.size());
  for (std::size_t i = 0; i < frame.payload.size(); ++i) {
    const auto key = frame.mask ? static_cast<char>(*frame.mask >> (24 - 8 * (i % 4))) : char{0};
    out += static_cast<char>(frame.payload[i] ^ key);
  }
  return out;
}

inline std::string close_payload(std::uint16_t code, std::string_view reason = "") {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + std::string(reason);
}

}  // namespace sluice::websocket
