// By what a server begins with its protocol is known, to who has expected another one.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice::http2 {

// A SETTINGS frame that acknowledges nothing, which is the first that a server sends (RFC 9113 3.4).
inline bool begin_http2(std::string_view bytes) noexcept {
  constexpr std::size_t kType = 3, kFlags = 4;
  return bytes.size() > kFlags && bytes.starts_with(std::string_view("\0\0", 2)) && bytes[kType] == 4 && bytes[kFlags] == 0;
}

// A status line.
inline bool begin_http1(std::string_view bytes) noexcept { return bytes.starts_with("HTTP/1."); }

}  // namespace sluice::http2
