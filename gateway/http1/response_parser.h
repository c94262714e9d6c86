// Reads one HTTP/1.x response head from a backend, as strictly as a request (RFC 9112). No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"
#include "gateway/http1/request_parser.h"

namespace sluice::http1 {

using http::ParseError;

// Used as RequestParser is; no empty line may come first. A status line over `max_line` is head_too_large.
// `request_method` decides, with the status, whether a body follows (RFC 9112 6.3): none for HEAD, 1xx, 204
// and 304. A 1xx head is complete like any other; call reset() and parse the next. Duplicate identical
// Content-Length is refused here as well: a backend's ambiguity is a 502.
class ResponseParser {
 public:
  explicit ResponseParser(const HeadLimits& limits) : limits_(limits) {}
  HeadResult parse(std::string_view bytes, std::string_view request_method, http::ResponseHead& head);
  void reset() noexcept;

 private:
  enum class Stage : std::uint8_t { prefix, after_status, reason, line_end, line_lf, fields };

  ParseError scan_status_line(std::string_view text) noexcept;
  ParseError scan_prefix(std::string_view line) noexcept;
  ParseError scan_line_end(std::string_view text) noexcept;
  ParseError fill(std::string_view text, std::string_view request_method, http::ResponseHead& head) const;

  HeadLimits limits_;
  Stage stage_ = Stage::prefix;
  std::size_t scanned_ = 0;
  std::size_t reason_end_ = 0;
  FieldScanner fields_;
};

}  // namespace sluice::http1
