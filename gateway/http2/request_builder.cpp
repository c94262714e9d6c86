#include "gateway/http2/request_builder.h"

#include <utility>

#include "gateway/http/characters.h"
#include "gateway/http/content_length.h"
#include "gateway/http/target.h"
#include "gateway/http/uri.h"

namespace sluice::http2 {
namespace {

using http::equals_ignore_case;
using http::ParseError;

constexpr std::size_t kHopeless = 4;  // times the limit
constexpr std::size_t kLineRest =
    std::string_view("  HTTP/1.1").size();  // what HTTP/1.1 has beside method and target
constexpr std::size_t kKeptCookies = 4096;
constexpr std::string_view kConnect = "CONNECT";

std::uint16_t default_port(std::string_view scheme) noexcept {
  return equals_ignore_case(scheme, "https") ? 443 : 80;
}

}  // namespace

void RequestBuilder::begin(const RequestLimits& limits) noexcept {
  limits_ = limits;
  fault_ = ParseError::none;
  size_ = fields_ = 0;
  head_.clear();
  head_.version = http::Version::http_2;
  path_ = scheme_ = {};
  authority_.reset();
  host_.reset();
  content_length_.reset();
  if (cookies_.capacity() > kKeptCookies) cookies_ = std::string();
  cookies_.clear();
  expects_continue_ = false;
}

bool RequestBuilder::add(std::string_view name, std::string_view value) {
  size_ += size_of(name, value);
  if (fault_ == ParseError::none) {
    if (size_ > limits_.max_header_list) {
      fault_ = ParseError::head_too_large;
    } else {
      fault_ = name.front() == ':' ? add_pseudo(name, value) : add_field(name, value);
    }
  }
  return size_ <= kHopeless * limits_.max_header_list;
}

ParseError RequestBuilder::add_pseudo(std::string_view name, std::string_view value) {
  if (value.size() > limits_.max_line) return ParseError::request_line_too_long;
  const std::string_view kept = head_.headers.keep(value);
  if (name == ":method") {
    head_.method = kept;
  } else if (name == ":path") {
    path_ = kept;
  } else if (name == ":scheme") {
    scheme_ = kept;
  } else if (name == ":protocol") {
    head_.protocol = kept;
  } else if (name == ":authority") {
    authority_ = kept;
    head_.headers.add_view("Host", kept);
  }
  return ParseError::none;
}

ParseError RequestBuilder::add_field(std::string_view name, std::string_view value) {
  if (name == "cookie") {
    if (cookies_.empty() && ++fields_ > limits_.max_headers) return ParseError::too_many_headers;
    add_cookie(value);
    return ParseError::none;
  }
  if (++fields_ > limits_.max_headers) return ParseError::too_many_headers;
  switch (name.size()) {
    case 4:
      if (name == "host") return add_host(value);
      break;
    case 6:
      if (name != "expect") break;
      if (!equals_ignore_case(value, "100-continue")) return ParseError::bad_expectation;
      expects_continue_ = true;
      break;
    case 14:
      if (name != "content-length") break;
      if (const ParseError error = add_content_length(value); error != ParseError::none) return error;
      break;
    case 17:
      // nghttp2 lets none pass. Behind here it would frame the body anew.
      if (name == "transfer-encoding") return ParseError::bad_transfer_encoding;
      break;
    default:
      break;
  }
  head_.headers.add(name, value);
  return ParseError::none;
}

ParseError RequestBuilder::add_host(std::string_view value) {
  if (host_) return ParseError::repeated_host;
  host_ = head_.headers.keep(value);
  if (!authority_) head_.headers.add_view("Host", *host_);
  return ParseError::none;
}

ParseError RequestBuilder::add_content_length(std::string_view value) {
  if (content_length_) return ParseError::repeated_content_length;
  content_length_ = http::parse_content_length(value);
  return content_length_ ? ParseError::none : ParseError::bad_content_length;
}

void RequestBuilder::add_cookie(std::string_view crumb) {
  if (crumb.empty()) return;
  if (!cookies_.empty()) cookies_ += "; ";
  cookies_ += crumb;
}

ParseError RequestBuilder::finish(http::RequestHead& head, bool ended) {
  if (!cookies_.empty()) head_.headers.add("Cookie", cookies_);
  // Each fills in what it can, whatever is wrong with the others.
  for (const ParseError error : {set_target(), set_authority(), set_body(ended)}) {
    if (fault_ == ParseError::none) fault_ = error;
  }
  head = std::move(head_);
  return fault_;
}

ParseError RequestBuilder::set_target() {
  if (head_.method.empty() || !http::all_of(http::kToken, head_.method)) return ParseError::bad_method;
  const bool extended = !head_.protocol.empty();  // RFC 8441 4: then the target is that of any other request
  const bool connect = head_.method == kConnect && !extended;
  if (!connect && !equals_ignore_case(scheme_, "http") && !equals_ignore_case(scheme_, "https"))
    return ParseError::bad_scheme;
  const std::string_view text = connect ? authority_.value_or("") : path_;
  if (head_.method.size() + text.size() + kLineRest > limits_.max_line)
    return ParseError::request_line_too_long;
  if (text.empty() || !http::all_of(http::kTarget, text)) return ParseError::bad_target;
  if (!connect && text.front() != '/' && text != "*")
    return ParseError::bad_target;  // the absolute form is not for :path
  const auto target = http::parse_target(extended ? "GET" : head_.method, text);
  if (!target) return ParseError::bad_target;
  head_.target = text;
  head_.form = target->form;
  head_.path = target->path;
  head_.query = target->query;
  return ParseError::none;
}

ParseError RequestBuilder::set_authority() {
  if (!authority_ && !host_) return ParseError::missing_host;
  head_.authority = authority_ ? *authority_ : *host_;
  if (!http::parse_authority(head_.authority)) return ParseError::bad_host;
  if (authority_ && host_ && !same_host(*authority_, *host_)) return ParseError::ambiguous_authority;
  return ParseError::none;
}

bool RequestBuilder::same_host(std::string_view a, std::string_view b) const noexcept {
  if (a == b) return true;
  const auto first = http::parse_authority(a), second = http::parse_authority(b);
  if (!first || !second) return false;
  const std::uint16_t port = default_port(scheme_);
  return equals_ignore_case(first->host, second->host) &&
         first->port.value_or(port) == second->port.value_or(port);
}

ParseError RequestBuilder::set_body(bool ended) {
  if (!head_.protocol.empty()) {  // what follows is no body
    return ended || content_length_ ? ParseError::connect_with_body : ParseError::none;
  }
  if (content_length_) {
    head_.body = {http::BodyKind::length, *content_length_};
    if (ended && *content_length_ != 0) return ParseError::bad_content_length;
  } else if (!ended) {
    head_.body = {http::BodyKind::chunked, 0};
  }
  head_.expect_continue = expects_continue_ && !ended && content_length_.value_or(1) != 0;
  return ParseError::none;
}

}  // namespace sluice::http2
