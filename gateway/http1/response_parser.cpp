#include "gateway/http1/response_parser.h"

#include <algorithm>

#include "gateway/http/characters.h"
#include "gateway/http1/framing.h"

namespace sluice::http1 {
namespace {

// What every status line begins with; 'd' stands for a digit.
constexpr std::string_view kPrefixPattern = "HTTP/d.d ddd";
constexpr std::size_t kNameSize = 5;  // "HTTP/"
constexpr std::size_t kMajor = 5;
constexpr std::size_t kMinor = 7;
constexpr std::size_t kVersionSize = 8;
constexpr std::size_t kStatus = 9;

}  // namespace

void ResponseParser::reset() noexcept {
  stage_ = Stage::prefix;
  scanned_ = reason_end_ = 0;
}

HeadResult ResponseParser::parse(std::string_view bytes, std::string_view request_method,
                                 http::ResponseHead& head) {
  const auto failed = [](ParseError error) { return HeadResult{HeadResult::failed, 0, error}; };
  const std::string_view text = bytes.substr(0, limits_.max_head);
  if (stage_ != Stage::fields) {
    if (const ParseError error = scan_status_line(text); error != ParseError::none) return failed(error);
  }
  if (stage_ == Stage::fields) {
    if (const ParseError error = fields_.scan(text, limits_.max_headers); error != ParseError::none) {
      return failed(error);
    }
    if (fields_.done()) {
      if (const ParseError error = fill(text, request_method, head); error != ParseError::none)
        return failed(error);
      const std::size_t consumed = fields_.end();
      reset();
      return {HeadResult::complete, consumed, ParseError::none};
    }
  }
  if (text.size() == limits_.max_head) return failed(ParseError::head_too_large);
  return {};
}

ParseError ResponseParser::scan_status_line(std::string_view text) noexcept {
  const std::string_view line = text.substr(0, limits_.max_line);
  if (stage_ == Stage::prefix) {
    if (const ParseError error = scan_prefix(line); error != ParseError::none) return error;
  }
  // The space in front of an absent reason is often absent as well (RFC 9112 4 has it mandatory): not
  // ambiguous.
  if (stage_ == Stage::after_status && scanned_ < line.size()) {
    if (line[scanned_] == ' ') {
      ++scanned_;
      stage_ = Stage::reason;
    } else {
      stage_ = Stage::line_end;
    }
  }
  if (stage_ == Stage::reason) {
    scanned_ = skip_field_value(line, scanned_);
    if (scanned_ < line.size()) stage_ = Stage::line_end;
  }
  // Only a line end may stand where the limit has cut.
  if (stage_ < Stage::line_end && line.size() < text.size()) {
    if (stage_ == Stage::prefix || text[scanned_] != '\r') return ParseError::head_too_large;
    stage_ = Stage::line_end;
  }
  return stage_ < Stage::line_end ? ParseError::none : scan_line_end(text);
}

ParseError ResponseParser::scan_prefix(std::string_view line) noexcept {
  for (; scanned_ < line.size() && scanned_ < kPrefixPattern.size(); ++scanned_) {
    const char expected = kPrefixPattern[scanned_];
    const char c = line[scanned_];
    if (expected == 'd' ? !http::is(http::kDigit, c) : c != expected) {
      if (c == '\n') return ParseError::bad_line_end;
      return scanned_ >= kNameSize && scanned_ < kVersionSize ? ParseError::bad_version
                                                              : ParseError::bad_status_line;
    }
    if (scanned_ == kMinor && (line[kMajor] != '1' || c > '1')) return ParseError::unsupported_version;
    if (scanned_ == kStatus && (c < '1' || c > '5')) return ParseError::bad_status_line;
  }
  if (scanned_ == kPrefixPattern.size()) stage_ = Stage::after_status;
  return ParseError::none;
}

ParseError ResponseParser::scan_line_end(std::string_view text) noexcept {
  if (stage_ == Stage::line_end) {
    const char c = text[scanned_];
    if (c == '\n') return ParseError::bad_line_end;
    if (c != '\r') return ParseError::bad_status_line;
    reason_end_ = scanned_++;
    stage_ = Stage::line_lf;
  }
  if (scanned_ == text.size()) return ParseError::none;
  if (text[scanned_] != '\n') return ParseError::bad_line_end;
  ++scanned_;
  stage_ = Stage::fields;
  fields_.reset(scanned_);
  return ParseError::none;
}

ParseError ResponseParser::fill(std::string_view text, std::string_view request_method,
                                http::ResponseHead& head) const {
  head.clear();
  head.bytes.assign(text.data(), fields_.end());
  const std::string_view bytes = head.bytes;
  for (const char digit : bytes.substr(kStatus, 3))
    head.status = head.status * 10 + static_cast<unsigned>(digit - '0');
  const std::size_t reason = std::min(kPrefixPattern.size() + 1, reason_end_);
  head.reason = bytes.substr(reason, reason_end_ - reason);
  head.version = bytes[kMinor] == '1' ? http::Version::http_1_1 : http::Version::http_1_0;
  fields_.for_each(
      bytes, [&](std::string_view name, std::string_view value) { head.headers.add_view(name, value); });
  return apply_response_fields(head, request_method);
}

}  // namespace sluice::http1
