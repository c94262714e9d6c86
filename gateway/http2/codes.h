// The error codes of HTTP/2 (RFC 9113 7), and the frame that tells one when the library no longer can.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace sluice::http2 {

using StreamId = std::int32_t;

enum class Code : std::uint32_t {
  no_error = 0x0,
  protocol_error = 0x1,
  internal_error = 0x2,
  flow_control_error = 0x3,
  settings_timeout = 0x4,
  stream_closed = 0x5,
  frame_size_error = 0x6,
  refused_stream = 0x7,
  cancel = 0x8,
  compression_error = 0x9,
  connect_error = 0xa,
  enhance_your_calm = 0xb,
  inadequate_security = 0xc,
  http_1_1_required = 0xd,
};

// "PROTOCOL_ERROR"; of a code that is not registered "UNKNOWN" (it means what INTERNAL_ERROR means).
std::string_view name_of(Code code) noexcept;

// As an error of whoever waits for a stream that the peer has reset, or did not take.
std::error_code error_of(Code code) noexcept;
bool is_reset(const std::error_code& error) noexcept;  // one of those

// A GOAWAY frame whose last stream is `last`.
void append_goaway(std::string& out, StreamId last, Code code);

}  // namespace sluice::http2
