// Takes the framing off a body in place: what comes in is the bytes after a head, what comes out is the
// payload, moved to the front of the same memory. No I/O, no buffer of its own but the trailer section. One
// body, then done() for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"
#include "gateway/http1/field_scanner.h"

namespace sluice::http1 {

using http::ParseError;

// Of one trailer section, with its empty line. Small, so that trailers need no share of limits.max_held_bytes:
// a checksum, a signature, timings.
inline constexpr std::size_t kMostTrailerBytes = 8 * 1024;

struct DecodeResult {
  std::size_t payload = 0;  // payload bytes, now at the front of the data
  std::size_t consumed =
      0;  // bytes of the data that belong to this body (payload and framing);
          // data[consumed..] is untouched and follows the body. Less than all only when done.
  ParseError error = ParseError::none;
};

class BodyDecoder {
 public:
  // `max_trailers`: bytes of the whole trailer section with its empty line, where that is less than
  // kMostTrailerBytes. At most 100 trailers. The extensions of one chunk-size line have 256 bytes.
  explicit BodyDecoder(http::BodyFraming framing, std::size_t max_trailers = kMostTrailerBytes);

  // Strict: chunk sizes are 1 to 16 hex digits without sign, white space or overflow (of a signed 64-bit
  // number); extensions are skipped if they are well formed, short and without the "bad white space" that RFC
  // 9112 7.1.1 forbids to send; line ends are CRLF. `payload` may be 0 while more is needed. After an error
  // the decoder is of no more use; `payload` then counts what was right before it and `consumed` means
  // nothing.
  DecodeResult decode(char* data, std::size_t size);

  bool done() const noexcept;
  // The peer closed: whether the body is complete then (only `until_close` bodies are, and those already
  // done()).
  bool complete_at_end() const noexcept;
  // How many payload bytes come now, with no framing in between; 0 where the framing does not say, or is due itself.
  std::uint64_t payload_ahead() const noexcept;
  // Accounts for so many of them that nobody saw; less than payload_ahead().
  void pass_unseen(std::size_t size) noexcept { remaining_ -= size; }
  // When done: the trailer fields, validated, owned by this decoder; with the fields that must not be in
  // trailers (framing, routing, authentication, content: RFC 9110 6.5.1) already dropped.
  const http::Headers& trailers() const noexcept { return trailers_; }

 private:
  // Chunked framing (RFC 9112 7.1), each state named for what comes next.
  enum class State : std::uint8_t {
    payload,
    size_digit,
    extension_name,
    extension_name_more,
    extension_value,
    extension_token,
    extension_quoted,
    extension_escaped,
    extension_end,
    size_lf,
    chunk_data,
    data_cr,
    data_lf,
    trailers,
    done
  };

  DecodeResult decode_chunked(char* data, std::size_t size);
  DecodeResult decode_plain(std::size_t size) noexcept;
  ParseError take_size_digit(char c) noexcept;
  ParseError take_extension(char c) noexcept;
  ParseError end_size_line(char c) noexcept;
  ParseError take_data_end(char c) noexcept;
  ParseError take_trailers(std::string_view rest, std::size_t& taken);
  void keep_trailers();

  http::BodyKind kind_;
  State state_;
  std::uint64_t remaining_ = 0;  // of the whole body or of the chunk; the size itself while its digits come
  std::size_t max_trailers_;
  std::size_t extension_bytes_ = 0;  // on this line
  unsigned size_digits_ = 0;
  std::string trailer_bytes_;  // while they come; empty and without memory when done
  FieldScanner fields_;
  http::Headers trailers_;
};

}  // namespace sluice::http1
