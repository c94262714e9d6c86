// Scans a section of header or trailer field lines up to and with its empty line (RFC 9112 5), each byte once
// however the bytes drip in, and remembers where names and values are. Both parsers and the body decoder
// share it. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "gateway/http/headers.h"
#include "gateway/http/parse_error.h"
#include "tls/frame_memory.h"

namespace sluice::http1 {

using http::ParseError;

class FieldScanner {
 public:
  // Starts anew at `begin` of the text; keeps its memory.
  void reset(std::size_t begin) noexcept;
  // `text` is the same growing bytes each time. Returns the error at the first byte that is wrong; scan
  // again, with more, until done(). A line too many is `too_many_headers`.
  ParseError scan(std::string_view text, std::size_t max_fields);

  bool done() const noexcept { return state_ == State::done; }
  // Behind the empty line, when done.
  std::size_t end() const noexcept { return position_; }

  // Calls `visit(name, value)` for each field as views into `text`, which has the scanned bytes at the same
  // places.
  template <typename Visitor>
  void for_each(std::string_view text, Visitor visit) const {
    for (const Span& span : spans_) {
      visit(text.substr(span.name, span.name_size), text.substr(span.value, span.value_size));
    }
  }

 private:
  enum class State : std::uint8_t { line_start, name, before_value, value, line_lf, end_lf, done };
  struct Span {  // 32 bits each: heads are bounded far below
    std::uint32_t name, name_size, value, value_size;
  };

  // Each goes on from `at` as far as its state lasts and sets the next one; an error leaves `at` on the wrong
  // byte.
  ParseError start_line(std::string_view text, std::size_t& at, std::size_t max_fields);
  ParseError scan_name(std::string_view text, std::size_t& at) noexcept;
  ParseError scan_value(std::string_view text, std::size_t& at) noexcept;

  State state_ = State::line_start;
  std::size_t position_ = 0;
  std::vector<Span, FrameAllocator<Span>> spans_;
};

// The end of the run of field-value bytes in `text` from `at`.
std::size_t skip_field_value(std::string_view text, std::size_t at) noexcept;

}  // namespace sluice::http1
