#include "metrics/log_text.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "metrics/log.h"

namespace sluice::metrics {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void append_digits(std::string& out, unsigned value, int digits) {
  const std::size_t end = out.size() + static_cast<std::size_t>(digits);
  out.resize(end);
  for (int i = 1; i <= digits; ++i, value /= 10) out[end - static_cast<std::size_t>(i)] = kHex[value % 10];
}

void append_byte_escape(std::string& out, char c) {
  const auto byte = static_cast<std::uint8_t>(c);
  out += "\\x";
  out += kHex[byte >> 4];
  out += kHex[byte & 0xF];
}

void append_unicode_escape(std::string& out, unsigned code) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(code >> shift) & 0xF];
}

struct Utf8 {
  std::size_t length;  // bytes used, also when they are not valid
  bool valid;
  std::uint32_t code;
};

// One character by the table of well-formed sequences (Unicode 15, table 3-7): overlong forms, surrogates and
// what lies beyond U+10FFFF are not valid. Of a broken sequence as many bytes are taken as could have begun a
// valid one.
Utf8 decode(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {1, true, lead};
  if (lead < 0xC2 || lead > 0xF4) return {1, false, 0};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  std::uint32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {i, false, 0};
    const std::uint8_t least = i == 1 ? low : 0x80;
    const std::uint8_t most = i == 1 ? high : 0xBF;
    if (byte(i) < least || byte(i) > most) return {i, false, 0};
    code = code << 6 | (byte(i) & 0x3F);
  }
  return {length, true, code};
}

// Control characters, C1 ones too (U+009B begins an escape sequence for a terminal), and the line ends of
// Unicode.
bool must_be_escaped(std::uint32_t code) noexcept {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029;
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The most that one byte takes in print: \u0001.
constexpr std::size_t kWidest = 6;
// The most bytes that a cut keeps together: a character of UTF-8 has four.
constexpr std::size_t kLongestCharacter = 4;

// What a cut keeps together: a character, or a percent-encoded byte.
std::size_t character_length(std::string_view text) noexcept {
  if (text.size() >= 3 && text[0] == '%' && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) return 3;
  return decode(text).length;
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const Utf8 next = decode(text);
    if (!next.valid) {
      out += kReplacement;
    } else if (next.code == '"' || next.code == '\\') {
      out += '\\';
      out += static_cast<char>(next.code);
    } else if (next.code == '\n') {
      out += "\\n";
    } else if (next.code == '\t') {
      out += "\\t";
    } else if (must_be_escaped(next.code)) {
      append_unicode_escape(out, next.code);
    } else {
      out += text.substr(0, next.length);
    }
    text.remove_prefix(next.length);
  }
}

void append_one_line(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const Utf8 next = decode(text);
    if (next.valid && !must_be_escaped(next.code)) {
      out += text.substr(0, next.length);
    } else {
      for (const char c : text.substr(0, next.length)) append_byte_escape(out, c);
    }
    text.remove_prefix(next.length);
  }
}

void append_printable(std::string& out, std::string_view text, std::string_view also_escaped) {
  for (const char c : text) {
    const bool special = also_escaped.find(c) != std::string_view::npos;
    if (c < 0x20 || c > 0x7E || (special && c == ' ')) {
      append_byte_escape(out, c);
    } else {
      if (special || c == '\\') out += '\\';
      out += c;
    }
  }
}

void CutText::add(std::string_view part) {
  if (cut_) return;
  if (part.size() * kWidest <= end_ - out_.size()) return print_(out_, part);
  while (!part.empty()) {
    const std::size_t before = out_.size();
    const std::size_t length = character_length(part);
    print_(out_, part.substr(0, length));
    if (out_.size() > end_) {
      out_.resize(before);
      out_ += kCutMark;
      cut_ = true;
      return;
    }
    part.remove_prefix(length);
  }
}

std::string_view looked_at(std::string_view text, std::size_t limit) noexcept {
  return text.substr(0, limit + kLongestCharacter);
}

void append_utc_time(std::string& out, std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<milliseconds>(time - day));
  append_digits(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_digits(out, static_cast<unsigned>(clock.hours().count()), 2);
  out += ':';
  append_digits(out, static_cast<unsigned>(clock.minutes().count()), 2);
  out += ':';
  append_digits(out, static_cast<unsigned>(clock.seconds().count()), 2);
  out += '.';
  append_digits(out, static_cast<unsigned>(clock.subseconds().count()), 3);
  out += 'Z';
}

bool is_secret_parameter(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 4> kSecrets = {"token", "access_token", "key", "password"};
  // Decoded and in lower case, as a forgiving application might read it.
  std::array<char, 12> plain{};
  std::size_t length = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (length == plain.size()) return false;
    char c = name[i];
    if (c == '%' && i + 2 < name.size() && hex_value(name[i + 1]) >= 0 && hex_value(name[i + 2]) >= 0) {
      c = static_cast<char>(hex_value(name[i + 1]) * 16 + hex_value(name[i + 2]));
      i += 2;
    }
    plain[length++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return std::find(kSecrets.begin(), kSecrets.end(), std::string_view(plain.data(), length)) !=
         kSecrets.end();
}

std::string mask_query(std::string_view target) {
  std::string masked;
  masked.reserve(target.size());
  append_masked(target, [&](std::string_view part) { masked += part; });
  return masked;
}

}  // namespace sluice::metrics
