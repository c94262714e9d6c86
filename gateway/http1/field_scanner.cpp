#include "gateway/http1/field_scanner.h"

#include <cstring>
#include <limits>

#include "gateway/http/characters.h"

namespace sluice::http1 {
namespace {

constexpr std::size_t kTypicalFields = 24;

// Whether any of eight bytes may be a control character (HTAB included) or DEL. Exact: a borrow can only come
// out of a byte that is a hit itself.
bool may_have_control(std::uint64_t word) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = kOnes * 0x80;
  const std::uint64_t below_space = (word - kOnes * 0x20) & ~word;
  const std::uint64_t with_del_as_zero = word ^ (kOnes * 0x7F);
  const std::uint64_t is_del = (with_del_as_zero - kOnes) & ~with_del_as_zero;
  return ((below_space | is_del) & kHighs) != 0;
}

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

}  // namespace

std::size_t skip_field_value(std::string_view text, std::size_t at) noexcept {
  while (text.size() - at >= sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, sizeof word);
    if (may_have_control(word)) break;
    at += sizeof word;
  }
  while (at < text.size() && http::is(http::kFieldValue, text[at])) ++at;
  return at;
}

void FieldScanner::reset(std::size_t begin) noexcept {
  state_ = State::line_start;
  position_ = begin;
  spans_.clear();
}

ParseError FieldScanner::scan(std::string_view text, std::size_t max_fields) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max()) return ParseError::head_too_large;
  std::size_t at = position_;
  ParseError error = ParseError::none;
  while (error == ParseError::none && at < text.size() && state_ != State::done) {
    switch (state_) {
      case State::line_start:
        error = start_line(text, at, max_fields);
        break;
      case State::name:
        error = scan_name(text, at);
        break;
      case State::before_value:
        if (is_blank(text[at])) {
          ++at;
        } else {
          spans_.back().value = static_cast<std::uint32_t>(at);
          state_ = State::value;
        }
        break;
      case State::value:
        error = scan_value(text, at);
        break;
      case State::line_lf:
      case State::end_lf:
        if (text[at] != '\n') {
          error = ParseError::bad_line_end;
        } else {
          state_ = state_ == State::line_lf ? State::line_start : State::done;
          ++at;
        }
        break;
      case State::done:
        break;
    }
  }
  position_ = at;
  return error;
}

ParseError FieldScanner::start_line(std::string_view text, std::size_t& at, std::size_t max_fields) {
  const char c = text[at];
  if (c == '\r') {
    state_ = State::end_lf;
    ++at;
    return ParseError::none;
  }
  if (c == '\n') return ParseError::bad_line_end;
  if (is_blank(c)) return ParseError::obs_fold;  // also in front of the first field (RFC 9112 2.2)
  if (!http::is(http::kToken, c)) return ParseError::bad_header_name;
  if (spans_.size() == max_fields) return ParseError::too_many_headers;
  if (spans_.capacity() == 0) spans_.reserve(kTypicalFields);
  spans_.push_back({static_cast<std::uint32_t>(at), 0, 0, 0});
  state_ = State::name;
  return ParseError::none;
}

ParseError FieldScanner::scan_name(std::string_view text, std::size_t& at) noexcept {
  while (at < text.size() && http::is(http::kToken, text[at])) ++at;
  if (at == text.size()) return ParseError::none;
  // Anything but the colon is refused, white space before it above all (RFC 9112 5.1).
  if (text[at] == '\n') return ParseError::bad_line_end;
  if (text[at] != ':') return ParseError::bad_header_name;
  spans_.back().name_size = static_cast<std::uint32_t>(at) - spans_.back().name;
  state_ = State::before_value;
  ++at;
  return ParseError::none;
}

ParseError FieldScanner::scan_value(std::string_view text, std::size_t& at) noexcept {
  at = skip_field_value(text, at);
  if (at == text.size()) return ParseError::none;
  if (text[at] == '\n') return ParseError::bad_line_end;
  if (text[at] != '\r') return ParseError::bad_header_value;
  Span& span = spans_.back();
  std::size_t end = at;
  while (end > span.value && is_blank(text[end - 1])) --end;
  span.value_size = static_cast<std::uint32_t>(end) - span.value;
  state_ = State::line_lf;
  ++at;
  return ParseError::none;
}

}  // namespace sluice::http1
