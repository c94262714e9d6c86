// Character classes of HTTP and URI syntax as one look-up table (RFC 9110 5.6, RFC 9112 3.2, RFC 3986 2).
// Stateless.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::http {

enum CharacterClass : std::uint8_t {
  kToken = 1,       // tchar: methods, field names, list members
  kFieldValue = 2,  // HTAB, SP, visible characters and obs-text
  kTarget = 4,      // visible ASCII without '#': a fragment never belongs in a request target
  kHexDigit = 8,
  kDigit = 16,
  kUnreserved = 32,  // RFC 3986 2.3
  kPath = 64,        // pchar and '/' without '%': what stands for itself in a canonical path
};

namespace detail {

constexpr bool contains(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

constexpr std::uint8_t classes_of(unsigned code) {
  const char c = static_cast<char>(code);
  const bool digit = c >= '0' && c <= '9';
  const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const bool visible = code > 0x20 && code < 0x7F;
  unsigned classes = 0;
  if (digit || alpha || (visible && contains("!#$%&'*+-.^_`|~", c))) classes |= kToken;
  if (visible || code == '\t' || code == ' ' || code >= 0x80) classes |= kFieldValue;
  if (visible && c != '#') classes |= kTarget;
  if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) classes |= kHexDigit;
  if (digit) classes |= kDigit;
  if (digit || alpha || (visible && contains("-._~", c))) classes |= kUnreserved;
  if (digit || alpha || (visible && contains("-._~!$&'()*+,;=:@/", c))) classes |= kPath;
  return static_cast<std::uint8_t>(classes);
}

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> table{};
  for (unsigned code = 0; code < 256; ++code) table[code] = classes_of(code);
  return table;
}

constexpr std::array<char, 256> make_lower() {
  std::array<char, 256> table{};
  for (unsigned code = 0; code < 256; ++code) {
    table[code] = static_cast<char>(code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code);
  }
  return table;
}

inline constexpr auto kClasses = make_classes();
inline constexpr auto kLower = make_lower();

}  // namespace detail

// ASCII only, whatever the locale.
constexpr char to_lower(char c) noexcept { return detail::kLower[static_cast<unsigned char>(c)]; }

constexpr bool is(CharacterClass wanted, char c) noexcept {
  return (detail::kClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}

constexpr bool all_of(CharacterClass wanted, std::string_view text) noexcept {
  for (const char c : text) {
    if (!is(wanted, c)) return false;
  }
  return true;
}

// The value of a hex digit.
constexpr unsigned hex_value(char c) noexcept {
  return c <= '9' ? static_cast<unsigned>(c - '0') : static_cast<unsigned>(to_lower(c) - 'a') + 10U;
}

}  // namespace sluice::http
