// Reads one HTTP/1.1 or 1.0 request head, strictly (RFC 9112). No I/O, no allocation until the head is whole
// but for the table of field positions, which is kept for the next head. Anything that two parsers might read
// differently is refused; the caller answers with status_of(error) and closes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"
#include "gateway/http1/field_scanner.h"

namespace sluice::http1 {

using http::ParseError;

struct HeadLimits {
  // Each is the greatest that is accepted. A head is refused with the first byte that shows it cannot fit.
  std::size_t max_line = 16 * 1024;  // the request line, without its line end
  std::size_t max_head = 64 * 1024;  // from the request line up to and with the empty line
  std::size_t max_headers = 100;
};

struct HeadResult {
  enum State { incomplete, complete, failed } state = incomplete;
  std::size_t consumed = 0;  // bytes of the head, when complete
  ParseError error = ParseError::none;
};

// Feed it the same growing bytes until it is complete or failed: it remembers how far it has scanned, so a
// head that drips in byte by byte costs no more than one that comes at once. reset() before the next head.
// Empty lines (CRLF) before the request line are skipped, at most two (RFC 9112 2.2); they count as consumed.
// CONNECT comes with its authority-form target as `path` and form `absolute` (its authority is the target's):
// it parses, so that the caller can answer 405. An absolute-form OPTIONS without a path is `*` (RFC
// 9112 3.2.4).
class RequestParser {
 public:
  explicit RequestParser(const HeadLimits& limits) : limits_(limits) {}
  // `bytes`: everything received since the end of the previous message. On `complete` the head was copied
  // into `head.bytes` and `head` is filled in. Errors are found as early as they can be told: those of syntax
  // at the byte, those of meaning (Host, framing) when the head is whole. After a failure `head` holds what
  // was understood, for the log: everything when the fault was one of meaning, else nothing.
  HeadResult parse(std::string_view bytes, http::RequestHead& head);
  void reset() noexcept;

 private:
  enum class Stage : std::uint8_t { method, target, version, line_cr, line_lf, fields };

  ParseError skip_empty_lines(std::string_view bytes) noexcept;
  ParseError scan_request_line(std::string_view text) noexcept;
  ParseError scan_method(std::string_view line) noexcept;
  ParseError scan_target(std::string_view line) noexcept;
  ParseError scan_version(std::string_view line) noexcept;
  ParseError scan_line_end(std::string_view text) noexcept;
  ParseError fill(std::string_view text, http::RequestHead& head) const;

  HeadLimits limits_;
  Stage stage_ = Stage::method;
  std::size_t head_begin_ = 0;  // behind the empty lines; what follows counts from here
  std::size_t scanned_ = 0;
  std::size_t method_end_ = 0;
  std::size_t target_end_ = 0;
  FieldScanner fields_;
};

}  // namespace sluice::http1
