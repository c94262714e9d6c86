#include "gateway/http2/response_builder.h"

#include <utility>

#include "gateway/http/content_length.h"

namespace sluice::http2 {
namespace {

using http::ParseError;

constexpr std::size_t kHopeless = 4;  // times the limit

}  // namespace

void ResponseBuilder::begin(const ResponseLimits& limits) noexcept {
  limits_ = limits;
  fault_ = ParseError::none;
  size_ = 0;
  head_.clear();
  head_.version = http::Version::http_2;
}

bool ResponseBuilder::add(std::string_view name, std::string_view value) {
  size_ += size_of(name, value);
  if (fault_ == ParseError::none && size_ > limits_.max_header_list) fault_ = ParseError::head_too_large;
  if (fault_ != ParseError::none) return size_ <= kHopeless * limits_.max_header_list;
  if (name == ":status") {
    for (const char digit : value) head_.status = head_.status * 10 + static_cast<unsigned>(digit - '0');  // three, nghttp2 sees to it
    if (head_.status < 100 || head_.status > 599) fault_ = ParseError::bad_status_line;
  } else if (head_.headers.size() == limits_.max_headers) {
    fault_ = ParseError::too_many_headers;
  } else {
    head_.headers.add(name, value);
  }
  return true;
}

ParseError ResponseBuilder::finish(http::ResponseHead& head, bool head_request) {
  if (fault_ != ParseError::none) return fault_;
  head_.reason = http::default_reason(head_.status);
  head_.body = framing(head_request);
  if (head_.status < 200 || head_.status == 204) head_.headers.remove("Content-Length");  // of no meaning there (RFC 9110 8.6)
  head = std::move(head_);
  return ParseError::none;
}

// As http1::apply_response_fields() has it; a body of unknown length, or none of which that is said, ends with its stream.
http::BodyFraming ResponseBuilder::framing(bool head_request) const {
  if (head_.status < 200 || head_.status == 204 || head_.status == 304 || head_request) return {};
  if (const auto length = head_.headers.find("Content-Length")) {
    return {http::BodyKind::length, http::parse_content_length(*length).value_or(0)};
  }
  return {http::BodyKind::chunked, 0};
}

}  // namespace sluice::http2
