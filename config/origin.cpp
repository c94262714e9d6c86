#include "config/origin.h"

#include <algorithm>
#include <optional>

#include "config/address.h"
#include "config/suggestion.h"
#include "config/syntax.h"
#include "config/value_text.h"

namespace sluice::config {
namespace {

constexpr char kSame[] = "same";

// RFC 3986 3.1, lower case.
bool is_scheme(std::string_view text) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

// What a WebSocket's URL says in place of what its page's origin says.
std::string page_scheme(std::string_view scheme) {
  if (scheme == "ws") return "http";
  return scheme == "wss" ? "https" : "";
}

Fault check_shape(const std::string& text) {
  static const std::string kExpected = "; expected one such as https://chat.example.com, or the word same";
  if (text == "*") return Fault("\"*\" would be any origin; leave origins out to allow any");
  if (text == "null") return Fault("\"null\" is what pages without an origin send, anybody's; it is never allowed");
  const std::size_t end = text.find("://");
  if (end == std::string::npos) return in_quotes(text) + " has no scheme" + kExpected;
  const std::string scheme = lower_case(text.substr(0, end));
  if (!is_scheme(scheme)) return in_quotes(text) + " is not an origin" + kExpected;
  const std::size_t rest = std::min(text.find_first_of("/?#", end + 3), text.size());
  if (const std::string page = page_scheme(scheme); !page.empty()) {
    const std::string origin = page + text.substr(end, rest - end);
    return in_quotes(text) + " is a WebSocket's URL; expected the page's origin, " + in_quotes(origin);
  }
  if (rest == text.size()) return std::nullopt;
  return in_quotes(text) + " goes on behind the host; expected " + in_quotes(text.substr(0, rest));
}

}  // namespace

std::uint16_t default_port(std::string_view scheme) noexcept {
  if (scheme == "https") return 443;
  return scheme == "http" ? 80 : 0;
}

Fault parse_allowed_origin(const std::string& text, AllowedOrigin& origin) {
  if (text == kSame) return std::nullopt;
  if (Fault fault = check_shape(text)) return fault;
  const std::size_t end = text.find("://");
  AllowedOrigin read;
  read.scheme = lower_case(text.substr(0, end));
  read.port = default_port(read.scheme);
  const std::string authority = text.substr(end + 3);
  std::string host, port;
  const bool splits = split_host_port(authority, host, port);
  const std::string bracketed = splits && authority.starts_with('[') ? "[" + host + "]" : host;
  if (!splits || parse_match_host(bracketed, read.host)) {
    return in_quotes(text) + " has no valid host; expected a name such as chat.example.com or *.example.com";
  }
  if (!port.empty()) {
    const std::optional<std::uint64_t> number = parse_whole_number(port);
    if (!number || *number == 0 || *number > 65535) {
      return in_quotes(port) + " is not a port; expected a number from 1 to 65535";
    }
    read.port = static_cast<std::uint16_t>(*number);
  }
  origin = std::move(read);
  return std::nullopt;
}

std::string origin_text(const AllowedOrigin& origin) {
  if (origin.scheme.empty()) return kSame;
  std::string text = origin.scheme + "://";
  const bool v6 = origin.host.find(':') != std::string::npos;
  text += v6 ? "[" + origin.host + "]" : origin.host;
  if (origin.port != default_port(origin.scheme)) text += ":" + std::to_string(origin.port);
  return text;
}

}  // namespace sluice::config
