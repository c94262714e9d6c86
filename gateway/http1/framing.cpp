#include "gateway/http1/framing.h"

#include <cstdint>
#include <optional>

#include "gateway/http/content_length.h"
#include "gateway/http/uri.h"

namespace sluice::http1 {
namespace {

using http::equals_ignore_case;

// The fields of a head that decide something here, gathered in one pass.
struct Gathered {
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool close = false;
  bool keep_alive = false;
  std::optional<std::string_view> host;
  bool expect_continue = false;
  bool expect_other = false;

  ParseError take(const http::Field& field);

 private:
  ParseError take_content_length(std::string_view value);
  ParseError take_transfer_encoding(std::string_view value);
  void take_connection(std::string_view value);
};

ParseError Gathered::take_content_length(std::string_view value) {
  const bool repeated = content_length.has_value();
  content_length = http::parse_content_length(value);
  if (!content_length) return ParseError::bad_content_length;
  return repeated ? ParseError::repeated_content_length : ParseError::none;
}

ParseError Gathered::take_transfer_encoding(std::string_view value) {
  if (chunked || !equals_ignore_case(value, "chunked")) return ParseError::bad_transfer_encoding;
  chunked = true;
  return ParseError::none;
}

void Gathered::take_connection(std::string_view value) {
  http::for_each_list_member(value, [this](std::string_view token) {
    close = close || equals_ignore_case(token, "close");
    keep_alive = keep_alive || equals_ignore_case(token, "keep-alive");
  });
}

ParseError Gathered::take(const http::Field& field) {
  // The length of the name tells most fields apart without a comparison.
  switch (field.name.size()) {
    case 4:
      if (!equals_ignore_case(field.name, "Host")) break;
      if (host) return ParseError::repeated_host;
      host = field.value;
      break;
    case 6:
      if (!equals_ignore_case(field.name, "Expect")) break;
      (equals_ignore_case(field.value, "100-continue") ? expect_continue : expect_other) = true;
      break;
    case 10:
      if (equals_ignore_case(field.name, "Connection")) take_connection(field.value);
      break;
    case 14:
      if (equals_ignore_case(field.name, "Content-Length")) return take_content_length(field.value);
      break;
    case 17:
      if (equals_ignore_case(field.name, "Transfer-Encoding")) return take_transfer_encoding(field.value);
      break;
    default:
      break;
  }
  return ParseError::none;
}

// RFC 9112 6.1: a sender that frames twice, or frames 1.0 in a way that 1.0 does not know, may be smuggling.
ParseError check_framing(const Gathered& gathered, http::Version version) noexcept {
  if (gathered.chunked && gathered.content_length) return ParseError::content_length_with_transfer_encoding;
  if (gathered.chunked && version == http::Version::http_1_0) return ParseError::bad_transfer_encoding;
  return ParseError::none;
}

bool asks_keep_alive(const Gathered& gathered, http::Version version) noexcept {
  if (gathered.close) return false;
  return version == http::Version::http_1_1 || gathered.keep_alive;
}

http::BodyFraming framing_of(const Gathered& gathered, http::BodyKind otherwise) noexcept {
  if (gathered.chunked) return {http::BodyKind::chunked, 0};
  if (gathered.content_length) return {http::BodyKind::length, *gathered.content_length};
  return {otherwise, 0};
}

ParseError check_host(const Gathered& gathered, http::Version version) noexcept {
  if (!gathered.host) {
    return version == http::Version::http_1_1 ? ParseError::missing_host : ParseError::none;
  }
  return http::parse_authority(*gathered.host) ? ParseError::none : ParseError::bad_host;
}

bool never_has_body(unsigned status) noexcept { return status < 200 || status == 204; }

}  // namespace

ParseError apply_request_fields(http::RequestHead& head) {
  Gathered gathered;
  for (const http::Field& field : head.headers) {
    if (const ParseError error = gathered.take(field); error != ParseError::none) return error;
  }
  if (const ParseError error = check_host(gathered, head.version); error != ParseError::none) return error;
  if (const ParseError error = check_framing(gathered, head.version); error != ParseError::none) return error;
  if (gathered.expect_other) return ParseError::bad_expectation;

  if (head.authority.empty() && gathered.host) head.authority = *gathered.host;
  head.keep_alive = asks_keep_alive(gathered, head.version);
  head.body = framing_of(gathered, http::BodyKind::none);
  const bool has_body = gathered.chunked || gathered.content_length.value_or(0) > 0;
  // A 1.0 client does not know 100 Continue (RFC 9110 10.1.1).
  head.expect_continue = gathered.expect_continue && has_body && head.version == http::Version::http_1_1;
  return ParseError::none;
}

ParseError apply_response_fields(http::ResponseHead& head, std::string_view request_method) {
  Gathered gathered;
  for (const http::Field& field : head.headers) {
    // Host and Expect mean nothing in a response.
    if (field.name.size() < 10) continue;
    if (const ParseError error = gathered.take(field); error != ParseError::none) return error;
  }
  if (const ParseError error = check_framing(gathered, head.version); error != ParseError::none) return error;

  head.keep_alive = asks_keep_alive(gathered, head.version);
  if (never_has_body(head.status)) {
    // RFC 9110 8.6 and RFC 9112 6.1 forbid both fields here. A zero length is harmless and common; it is not
    // passed on.
    if (gathered.chunked) return ParseError::bad_transfer_encoding;
    if (gathered.content_length.value_or(0) != 0) return ParseError::bad_content_length;
    head.headers.remove("Content-Length");
    head.body = {};
    return ParseError::none;
  }
  const bool tunnel = request_method == "CONNECT" && head.status < 300;
  if (request_method == "HEAD" || head.status == 304 || tunnel) {
    head.body = {};
    return ParseError::none;
  }
  head.body = framing_of(gathered, http::BodyKind::until_close);
  if (head.body.kind == http::BodyKind::until_close) head.keep_alive = false;
  return ParseError::none;
}

}  // namespace sluice::http1
