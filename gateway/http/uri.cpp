#include "gateway/http/uri.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "gateway/http/characters.h"

namespace sluice::http {
namespace {

constexpr char kUpperHex[] = "0123456789ABCDEF";

// The octet of the escape that begins at `at`, or nothing when two hex digits do not follow.
std::optional<char> escaped_octet(std::string_view path, std::size_t at) noexcept {
  if (path.size() - at < 3 || !is(kHexDigit, path[at + 1]) || !is(kHexDigit, path[at + 2]))
    return std::nullopt;
  return static_cast<char>(hex_value(path[at + 1]) * 16 + hex_value(path[at + 2]));
}

// Escapes whose decoding would change the structure of the path: what one server decodes before it splits
// segments, another does not.
PathError refused_octet(char octet) noexcept {
  switch (octet) {
    case '/':
      return PathError::encoded_slash;
    case '\0':
      return PathError::encoded_nul;
    case '\\':
      return PathError::backslash;
    default:
      return PathError::none;
  }
}

PathError refused_character(char c) noexcept {
  if (c == '\\') return PathError::backslash;
  // '?' and '#' end a path: inside one they would make the upstream see another.
  return is(kTarget, c) && c != '?' ? PathError::none : PathError::bad_character;
}

bool is_canonical_escape(std::string_view path, std::size_t at) noexcept {
  const auto octet = escaped_octet(path, at);
  if (!octet || refused_octet(*octet) != PathError::none || is(kUnreserved, *octet)) return false;
  const auto code = static_cast<unsigned char>(*octet);
  return path[at + 1] == kUpperHex[code >> 4] && path[at + 2] == kUpperHex[code & 15];
}

// Whether the segment that begins behind the slash at `slash` is empty (but not the last), "." or "..", also with a parameter.
bool is_reducible_segment(std::string_view path, std::size_t slash) noexcept {
  std::size_t at = slash + 1;
  if (at < path.size() && path[at] == '/') return true;
  while (at < path.size() && at <= slash + 2 && path[at] == '.') ++at;
  const bool ends = at == path.size() || path[at] == '/' || path[at] == ';' || path.substr(at, 3) == "%3B";
  return at > slash + 1 && ends;
}

// True when nothing would change: the common case, told in one pass. False may also mean an error.
bool is_canonical(std::string_view path) noexcept {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '/') {
      if (is_reducible_segment(path, i)) return false;
    } else if (c == '%') {
      if (!is_canonical_escape(path, i)) return false;
      i += 2;
    } else if (!is(kPath, c) && refused_character(c) != PathError::none) {
      return false;
    }
  }
  return true;
}

// Settles every escape, so that what follows sees segments as they are meant.
PathError decode_unreserved(std::string_view path, std::string& out) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c != '%') {
      if (const PathError error = refused_character(c); error != PathError::none) return error;
      out.push_back(c);
      continue;
    }
    const auto octet = escaped_octet(path, i);
    if (!octet) return PathError::bad_percent;
    if (const PathError error = refused_octet(*octet); error != PathError::none) return error;
    if (is(kUnreserved, *octet)) {
      out.push_back(*octet);
    } else {
      const auto code = static_cast<unsigned char>(*octet);
      const char escape[] = {'%', kUpperHex[code >> 4], kUpperHex[code & 15]};
      out.append(escape, sizeof escape);
    }
    i += 2;
  }
  return PathError::none;
}

// RFC 3986 5.2.4 in place, with empty segments dropped first. A path that would climb over the root is an
// error here, not silently cut.
bool is_dot_with_parameter(std::string_view segment) noexcept {
  if (segment.empty() || segment.front() != '.') return false;
  segment.remove_prefix(segment.substr(0, 2) == ".." ? 2 : 1);
  return segment.substr(0, 1) == ";" || segment.substr(0, 3) == "%3B";
}

PathError remove_dot_segments(std::string& path) {
  std::size_t written = 0;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t begin = std::min(path.find_first_not_of('/', at), path.size());
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment(path.data() + begin, end - begin);
    const bool last = end == path.size();
    at = end;
    if (is_dot_with_parameter(segment)) return PathError::dot_parameter;
    if (segment == "..") {
      if (written == 0) return PathError::above_root;
      written = path.rfind('/', written - 1);
    } else if (!segment.empty() && segment != ".") {
      path[written] = '/';
      std::memmove(path.data() + written + 1, segment.data(), segment.size());
      written += 1 + segment.size();
      continue;
    }
    if (last) path[written++] = '/';  // a dot segment or an empty one at the end names a directory
  }
  path.resize(written);
  return PathError::none;
}

bool is_ipv6_address(std::string_view text) noexcept {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof copy) return false;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  in6_addr address;
  return std::strlen(copy) == text.size() && inet_pton(AF_INET6, copy, &address) == 1;
}

// Letters, digits, "-._~". RFC 3986 reg-names may also hold sub-delimiters and escapes, but no DNS name does,
// and servers disagree on them ("a%2eb", "a,b"); an empty label is no name either. One dot at the end is a
// root label.
bool is_host_name(std::string_view host) noexcept {
  return !host.empty() && host.front() != '.' && host.find("..") == std::string_view::npos &&
         all_of(kUnreserved, host);
}

std::optional<std::uint16_t> parse_port(std::string_view digits) noexcept {
  if (digits.empty() || digits.size() > 5 || !all_of(kDigit, digits)) return std::nullopt;
  unsigned port = 0;
  for (const char digit : digits) port = port * 10 + static_cast<unsigned>(digit - '0');
  if (port == 0 || port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(port);
}

}  // namespace

std::string_view name_of(PathError error) noexcept {
  switch (error) {
    case PathError::none:
      return "none";
    case PathError::encoded_slash:
      return "encoded_slash";
    case PathError::encoded_nul:
      return "encoded_nul";
    case PathError::backslash:
      return "backslash";
    case PathError::bad_percent:
      return "bad_percent";
    case PathError::above_root:
      return "above_root";
    case PathError::dot_parameter:
      return "dot_parameter";
    case PathError::bad_character:
      return "bad_character";
  }
  return "unknown";
}

NormalizedPath normalize_path(std::string_view path, std::string& storage) {
  if (path == "*") return {path};  // OPTIONS * (RFC 9110 9.3.7)
  if (path.empty() || path.front() != '/') return {{}, PathError::bad_character};
  if (is_canonical(path)) return {path};
  storage.clear();
  storage.reserve(path.size());
  if (const PathError error = decode_unreserved(path, storage); error != PathError::none) return {{}, error};
  if (const PathError error = remove_dot_segments(storage); error != PathError::none) return {{}, error};
  return {storage};
}

std::optional<Authority> parse_authority(std::string_view text) noexcept {
  Authority authority;
  std::string_view rest;
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    authority.host = text.substr(1, close - 1);
    authority.ipv6_literal = true;
    rest = text.substr(close + 1);
    if (!is_ipv6_address(authority.host)) return std::nullopt;
  } else {
    const auto colon = std::min(text.find(':'), text.size());
    authority.host = text.substr(0, colon);
    rest = text.substr(colon);
    if (!is_host_name(authority.host)) return std::nullopt;
  }
  if (rest.empty()) return authority;
  if (rest.front() != ':') return std::nullopt;
  authority.port = parse_port(rest.substr(1));
  if (!authority.port) return std::nullopt;
  return authority;
}

}  // namespace sluice::http
