#include "gateway/http1/body_decoder.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "gateway/http/characters.h"
#include "gateway/http/hop_by_hop.h"

namespace sluice::http1 {
namespace {

constexpr unsigned kMaxSizeDigits = 16;
constexpr std::uint64_t kMaxChunk = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
// Extensions mean nothing here and are dropped; a sender must not make us read many bytes per byte of
// payload.
constexpr std::size_t kMaxExtensionBytes = 256;
constexpr std::size_t kMaxTrailers = 100;
constexpr std::size_t kSmallTrailers = kMostTrailerBytes / 4;

}  // namespace

BodyDecoder::BodyDecoder(http::BodyFraming framing, std::size_t max_trailers)
    : kind_(framing.kind), state_(State::payload), max_trailers_(std::min(max_trailers, kMostTrailerBytes)) {
  if (kind_ == http::BodyKind::chunked) {
    state_ = State::size_digit;
  } else if (kind_ == http::BodyKind::length) {
    remaining_ = framing.content_length;
  }
  const bool empty = kind_ == http::BodyKind::none || (kind_ == http::BodyKind::length && remaining_ == 0);
  if (empty) state_ = State::done;
}

DecodeResult BodyDecoder::decode(char* data, std::size_t size) {
  if (state_ == State::done) return {};
  return kind_ == http::BodyKind::chunked ? decode_chunked(data, size) : decode_plain(size);
}

DecodeResult BodyDecoder::decode_plain(std::size_t size) noexcept {
  if (kind_ == http::BodyKind::until_close) return {size, size, ParseError::none};
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, size));
  remaining_ -= taken;
  if (remaining_ == 0) state_ = State::done;
  return {taken, taken, ParseError::none};
}

DecodeResult BodyDecoder::decode_chunked(char* data, std::size_t size) {
  DecodeResult result;
  std::size_t& at = result.consumed;
  while (at < size && state_ != State::done && result.error == ParseError::none) {
    switch (state_) {
      case State::chunk_data: {
        const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, size - at));
        std::memmove(data + result.payload, data + at, taken);
        result.payload += taken;
        remaining_ -= taken;
        at += taken;
        if (remaining_ == 0) state_ = State::data_cr;
        break;
      }
      case State::size_digit:
        result.error = take_size_digit(data[at++]);
        break;
      case State::size_lf:
        result.error = end_size_line(data[at++]);
        break;
      case State::data_cr:
      case State::data_lf:
        result.error = take_data_end(data[at++]);
        break;
      case State::trailers: {
        std::size_t taken = 0;
        result.error = take_trailers({data + at, size - at}, taken);
        at += taken;
        break;
      }
      default:
        result.error = take_extension(data[at++]);
        break;
    }
  }
  return result;
}

ParseError BodyDecoder::take_size_digit(char c) noexcept {
  if (http::is(http::kHexDigit, c)) {
    if (++size_digits_ > kMaxSizeDigits) return ParseError::bad_chunk_size;
    if (remaining_ > kMaxChunk >> 4) return ParseError::bad_chunk_size;
    remaining_ = remaining_ << 4 | http::hex_value(c);
    return ParseError::none;
  }
  if (size_digits_ == 0) return ParseError::bad_chunk_size;
  if (c == '\r') {
    state_ = State::size_lf;
  } else if (c == ';') {
    state_ = State::extension_name;
    extension_bytes_ = 1;
  } else {
    return c == '\n' ? ParseError::bad_line_end : ParseError::bad_chunk_size;
  }
  return ParseError::none;
}

// chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ), then CR.
ParseError BodyDecoder::take_extension(char c) noexcept {
  const bool token = http::is(http::kToken, c);
  const bool may_end = state_ == State::extension_name_more || state_ == State::extension_token ||
                       state_ == State::extension_end;
  if (may_end && c == '\r') {
    state_ = State::size_lf;
    return ParseError::none;
  }
  if (c == '\n') return ParseError::bad_line_end;
  if (++extension_bytes_ > kMaxExtensionBytes) return ParseError::bad_chunk_extension;
  if (state_ == State::extension_quoted) {
    if (!http::is(http::kFieldValue, c)) return ParseError::bad_chunk_extension;
    if (c == '"') state_ = State::extension_end;
    if (c == '\\') state_ = State::extension_escaped;
  } else if (state_ == State::extension_escaped) {
    if (!http::is(http::kFieldValue, c)) return ParseError::bad_chunk_extension;
    state_ = State::extension_quoted;
  } else if (state_ == State::extension_name && token) {
    state_ = State::extension_name_more;
  } else if (state_ == State::extension_value && (token || c == '"')) {
    state_ = token ? State::extension_token : State::extension_quoted;
  } else if (state_ == State::extension_name_more && c == '=') {
    state_ = State::extension_value;
  } else if (may_end && c == ';') {
    state_ = State::extension_name;
  } else if (!token || state_ == State::extension_end) {
    return ParseError::bad_chunk_extension;
  }
  return ParseError::none;
}

ParseError BodyDecoder::end_size_line(char c) noexcept {
  if (c != '\n') return ParseError::bad_line_end;
  size_digits_ = 0;
  if (remaining_ > 0) {
    state_ = State::chunk_data;
  } else {
    state_ = State::trailers;
    fields_.reset(0);
  }
  return ParseError::none;
}

ParseError BodyDecoder::take_data_end(char c) noexcept {
  if (c != (state_ == State::data_cr ? '\r' : '\n')) return ParseError::bad_chunk_end;
  state_ = state_ == State::data_cr ? State::data_lf : State::size_digit;
  return ParseError::none;
}

// Line by line, so that what follows the body is neither copied nor looked at.
ParseError BodyDecoder::take_trailers(std::string_view rest, std::size_t& taken) {
  const std::size_t line = std::min(rest.find('\n'), rest.size() - 1) + 1;
  taken = std::min(line, max_trailers_ - trailer_bytes_.size());
  // Sections that are not small get what they may need at once: growing by doubling would end at twice that.
  if (trailer_bytes_.size() + taken > kSmallTrailers) trailer_bytes_.reserve(max_trailers_);
  trailer_bytes_.append(rest.data(), taken);
  switch (fields_.scan(trailer_bytes_, kMaxTrailers)) {
    case ParseError::none:
      break;
    case ParseError::too_many_headers:
      return ParseError::trailers_too_large;
    default:
      return ParseError::bad_trailer;
  }
  if (fields_.done()) {
    keep_trailers();
    state_ = State::done;
    return ParseError::none;
  }
  return trailer_bytes_.size() == max_trailers_ ? ParseError::trailers_too_large : ParseError::none;
}

// What the section needed while it came goes at once: the response may take its time.
void BodyDecoder::keep_trailers() {
  fields_.for_each(trailer_bytes_, [this](std::string_view name, std::string_view value) {
    if (http::allowed_in_trailers(name)) trailers_.add(name, value);
  });
  std::string().swap(trailer_bytes_);  // assigning would keep the memory
  fields_ = FieldScanner();
}

bool BodyDecoder::done() const noexcept { return state_ == State::done; }

bool BodyDecoder::complete_at_end() const noexcept { return done() || kind_ == http::BodyKind::until_close; }

std::uint64_t BodyDecoder::payload_ahead() const noexcept {
  const bool known =
      state_ == State::chunk_data || (state_ == State::payload && kind_ == http::BodyKind::length);
  return known ? remaining_ : 0;
}

}  // namespace sluice::http1
