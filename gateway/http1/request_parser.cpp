#include "gateway/http1/request_parser.h"

#include <cassert>

#include "gateway/http/characters.h"
#include "gateway/http/target.h"
#include "gateway/http1/framing.h"

namespace sluice::http1 {
namespace {

constexpr std::size_t kMaxEmptyLines = 2;
constexpr std::string_view kVersionPattern = "HTTP/d.d";

// What a byte is that ends the method or the target too early.
ParseError error_at(char c, ParseError otherwise) noexcept {
  if (c == '\n') return ParseError::bad_line_end;
  return c == '\r' ? ParseError::bad_request_line : otherwise;
}

}  // namespace

void RequestParser::reset() noexcept {
  stage_ = Stage::method;
  head_begin_ = scanned_ = method_end_ = target_end_ = 0;
}

HeadResult RequestParser::parse(std::string_view bytes, http::RequestHead& head) {
  const auto failed = [](ParseError error) { return HeadResult{HeadResult::failed, 0, error}; };
  if (const ParseError error = skip_empty_lines(bytes); error != ParseError::none) return failed(error);
  if (head_begin_ < bytes.size() && bytes[head_begin_] == '\r') return {};  // half an empty line
  const std::string_view text = bytes.substr(head_begin_, limits_.max_head);
  if (stage_ != Stage::fields) {
    if (const ParseError error = scan_request_line(text); error != ParseError::none) return failed(error);
  }
  if (stage_ == Stage::fields) {
    if (const ParseError error = fields_.scan(text, limits_.max_headers); error != ParseError::none) {
      return failed(error);
    }
    if (fields_.done()) {
      if (const ParseError error = fill(text, head); error != ParseError::none) return failed(error);
      const std::size_t consumed = head_begin_ + fields_.end();
      reset();
      return {HeadResult::complete, consumed, ParseError::none};
    }
  }
  if (text.size() == limits_.max_head) return failed(ParseError::head_too_large);
  return {};
}

ParseError RequestParser::skip_empty_lines(std::string_view bytes) noexcept {
  while (head_begin_ < bytes.size() && bytes[head_begin_] == '\r') {
    if (head_begin_ == 2 * kMaxEmptyLines) return ParseError::bad_request_line;
    if (head_begin_ + 1 == bytes.size()) return ParseError::none;
    if (bytes[head_begin_ + 1] != '\n') return ParseError::bad_line_end;
    head_begin_ += 2;
  }
  return ParseError::none;
}

ParseError RequestParser::scan_request_line(std::string_view text) noexcept {
  const std::string_view line = text.substr(0, limits_.max_line);
  ParseError error = ParseError::none;
  while (error == ParseError::none && scanned_ < line.size() && stage_ < Stage::line_cr) {
    switch (stage_) {
      case Stage::method:
        error = scan_method(line);
        break;
      case Stage::target:
        error = scan_target(line);
        break;
      default:
        error = scan_version(line);
        break;
    }
  }
  if (error != ParseError::none) return error;
  if (stage_ < Stage::line_cr) {
    return line.size() < text.size() ? ParseError::request_line_too_long : ParseError::none;
  }
  return scan_line_end(text);
}

ParseError RequestParser::scan_method(std::string_view line) noexcept {
  std::size_t at = scanned_;
  while (at < line.size() && http::is(http::kToken, line[at])) ++at;
  scanned_ = at;
  if (at == line.size()) return ParseError::none;
  if (line[at] != ' ' || at == 0) return error_at(line[at], ParseError::bad_method);
  method_end_ = at;
  scanned_ = at + 1;
  stage_ = Stage::target;
  return ParseError::none;
}

ParseError RequestParser::scan_target(std::string_view line) noexcept {
  std::size_t at = scanned_;
  while (at < line.size() && http::is(http::kTarget, line[at])) ++at;
  scanned_ = at;
  if (at == line.size()) return ParseError::none;
  if (line[at] != ' ') return error_at(line[at], ParseError::bad_target);
  if (at == method_end_ + 1) return ParseError::bad_request_line;  // two spaces
  target_end_ = at;
  scanned_ = at + 1;
  stage_ = Stage::version;
  return ParseError::none;
}

ParseError RequestParser::scan_version(std::string_view line) noexcept {
  const std::size_t begin = target_end_ + 1;
  for (; scanned_ < line.size() && scanned_ - begin < kVersionPattern.size(); ++scanned_) {
    const char expected = kVersionPattern[scanned_ - begin];
    const char c = line[scanned_];
    if (expected == 'd' ? !http::is(http::kDigit, c) : c != expected) {
      return c == '\n' ? ParseError::bad_line_end : ParseError::bad_version;
    }
  }
  if (scanned_ - begin < kVersionPattern.size()) return ParseError::none;
  if (line[scanned_ - 3] != '1' || line[scanned_ - 1] > '1') return ParseError::unsupported_version;
  stage_ = Stage::line_cr;
  return ParseError::none;
}

ParseError RequestParser::scan_line_end(std::string_view text) noexcept {
  if (stage_ == Stage::line_cr && scanned_ < text.size()) {
    const char c = text[scanned_];
    if (c != '\r') {
      if (scanned_ == limits_.max_line) return ParseError::request_line_too_long;
      return c == '\n' ? ParseError::bad_line_end : ParseError::bad_version;
    }
    ++scanned_;
    stage_ = Stage::line_lf;
  }
  if (scanned_ == text.size()) return ParseError::none;
  if (text[scanned_] != '\n') return ParseError::bad_line_end;
  ++scanned_;
  stage_ = Stage::fields;
  fields_.reset(scanned_);
  // Told now and not with the whole head; the parts are taken when the bytes have found their place.
  const auto method = text.substr(0, method_end_);
  const auto target = text.substr(method_end_ + 1, target_end_ - method_end_ - 1);
  return http::parse_target(method, target) ? ParseError::none : ParseError::bad_target;
}

ParseError RequestParser::fill(std::string_view text, http::RequestHead& head) const {
  head.clear();
  head.bytes.assign(text.data(), fields_.end());
  const std::string_view bytes = head.bytes;
  head.method = bytes.substr(0, method_end_);
  head.target = bytes.substr(method_end_ + 1, target_end_ - method_end_ - 1);
  head.version =
      bytes[target_end_ + kVersionPattern.size()] == '1' ? http::Version::http_1_1 : http::Version::http_1_0;
  const auto target = http::parse_target(head.method, head.target);
  assert(target && "the request line was checked when it ended");
  head.form = target->form;
  head.authority = target->authority;
  head.path = target->path;
  head.query = target->query;
  fields_.for_each(
      bytes, [&](std::string_view name, std::string_view value) { head.headers.add_view(name, value); });
  return apply_request_fields(head);
}

}  // namespace sluice::http1
