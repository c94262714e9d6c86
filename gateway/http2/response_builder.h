// Makes a response's head of the fields of a HEADERS frame, as an HTTP/1.1 response with the same meaning would have brought it.
// Relies on nghttp2 for what RFC 9113 8.2 and 8.3 say of fields, and for Content-Length. One connection owns one, as one head is
// under way at a time. No I/O.
#pragma once

#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"

namespace sluice::http2 {

struct ResponseLimits {
  std::size_t max_header_list = 64 * 1024;  // names, values and 32 bytes for each field (RFC 9113 6.5.2)
  std::size_t max_headers = 100;
};

class ResponseBuilder {
 public:
  // What a field counts in max_header_list.
  static std::size_t size_of(std::string_view name, std::string_view value) noexcept { return name.size() + value.size() + 32; }

  void begin(const ResponseLimits& limits) noexcept;
  // A fault is kept for finish(); what comes after it is dropped. False when there is so much of it that the stream should rather be
  // reset.
  bool add(std::string_view name, std::string_view value);
  // `head_request`: it was asked for with HEAD. Nothing in `head` is a view into its `bytes`: it may be moved. With a fault there is
  // no head.
  http::ParseError finish(http::ResponseHead& head, bool head_request);
  // What has been added since begin(), as it counts in max_header_list.
  std::size_t size() const noexcept { return size_; }

 private:
  http::BodyFraming framing(bool head_request) const;

  ResponseLimits limits_;
  http::ParseError fault_ = http::ParseError::none;
  std::size_t size_ = 0;
  http::ResponseHead head_;
};

}  // namespace sluice::http2
