// Makes a request's head of the fields of a HEADERS frame, as an HTTP/1.1 request with the same meaning would
// have brought it: what is behind it needs no second path. Relies on nghttp2 for what RFC 9113 8.2 and 8.3
// say of single fields, and sees to the rest: what those may say together, the limits, and cookies (RFC
// 9113 8.2.3). One connection owns one, as one head is under way at a time. No I/O.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http/message.h"
#include "gateway/http/parse_error.h"

namespace sluice::http2 {

struct RequestLimits {
  std::size_t max_line = 8 * 1024;          // of the request line that it would be on HTTP/1.1: 414
  std::size_t max_header_list = 64 * 1024;  // names, values and 32 bytes for each field (RFC 9113 6.5.2): 431
  std::size_t max_headers = 100;            // without pseudo fields; cookies are one: 431
};

class RequestBuilder {
 public:
  // What a field counts in max_header_list (RFC 9113 6.5.2).
  static std::size_t size_of(std::string_view name, std::string_view value) noexcept { return name.size() + value.size() + 32; }

  void begin(const RequestLimits& limits) noexcept;
  // A fault is kept for finish(), so that it is answered; what comes after it is dropped. False when there is
  // so much of it that the stream should rather be reset.
  bool add(std::string_view name, std::string_view value);
  // At most so many bytes are there of the head so far.
  std::size_t kept() const noexcept { return std::min(size_, limits_.max_header_list); }
  // `ended`: the stream ended with the head, there is no body. With a fault `head` has what is known of
  // method, target and authority. Nothing in `head` is a view into its `bytes`, which stay empty: it may be
  // moved.
  http::ParseError finish(http::RequestHead& head, bool ended);

 private:
  http::ParseError add_pseudo(std::string_view name, std::string_view value);
  http::ParseError add_field(std::string_view name, std::string_view value);
  http::ParseError add_host(std::string_view value);
  http::ParseError add_content_length(std::string_view value);
  void add_cookie(std::string_view crumb);

  http::ParseError set_target();
  http::ParseError set_authority();
  http::ParseError set_body(bool ended);
  bool same_host(std::string_view a, std::string_view b) const noexcept;

  RequestLimits limits_;
  http::ParseError fault_ = http::ParseError::none;
  std::size_t size_ = 0;
  std::size_t fields_ = 0;
  http::RequestHead head_;
  // Views into what head_ keeps.
  std::string_view path_, scheme_;
  std::optional<std::string_view> authority_, host_;
  std::optional<std::uint64_t> content_length_;
  std::string cookies_;
  bool expects_continue_ = false;
};

}  // namespace sluice::http2
