// Why a message was refused: one name for the metric, the log and the `Sluice-Error` field.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::http {

enum class ParseError : std::uint8_t {
  none,
  bad_request_line,
  bad_method,
  bad_target,
  bad_version,  // not HTTP/1.x: 505 when it is well formed, else 400
  unsupported_version,
  bad_status_line,
  bad_line_end,      // bare CR or bare LF
  bad_header_name,   // also white space before the colon
  bad_header_value,  // NUL and other control characters
  obs_fold,
  missing_host,
  repeated_host,
  bad_host,
  bad_content_length,
  repeated_content_length,
  content_length_with_transfer_encoding,
  bad_transfer_encoding,  // anything but exactly one `chunked`; on HTTP/1.0 any at all
  request_line_too_long,  // 414
  head_too_large,         // 431
  too_many_headers,       // 431
  bad_chunk_size,
  bad_chunk_extension,
  bad_chunk_end,
  bad_trailer,
  trailers_too_large,  // 431
  bad_expectation,     // 417: an Expect other than 100-continue
  bad_scheme,           // of HTTP/2, as the next two: neither http nor https
  ambiguous_authority,  // :authority and Host are not the same
  connect_with_body,    // an extended CONNECT whose stream does not stay open, or that has a length
  count_,
};

std::string_view name_of(ParseError error) noexcept;   // "bad_host"
unsigned status_of(ParseError error) noexcept;         // 400, 414, 417, 431 or 505
std::string_view describe(ParseError error) noexcept;  // a short sentence for the client

}  // namespace sluice::http
