// Request targets: the path made canonical once for matching, and authorities split. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::http {

enum class PathError : std::uint8_t {
  none,
  encoded_slash,    // %2F
  encoded_nul,      // %00
  backslash,        // \ or %5C
  bad_percent,      // % without two hex digits
  above_root,       // more ".." than segments
  dot_parameter,    // "..;x": servlet containers cut the parameter off and climb
  bad_character,    // control characters, space, bytes over 0x7F, '?' and '#'; a path without its '/'
};
std::string_view name_of(PathError error) noexcept;

// The form that routes are matched against and that is sent to the upstream: dot segments resolved (also the
// percent-encoded ones), duplicate slashes merged, percent-encoded unreserved characters decoded (RFC 3986 6.2.2), other
// escapes with upper-case hex. A path that is already canonical is returned as it is without a copy (`storage` unused).
struct NormalizedPath {
  std::string_view path;
  PathError error = PathError::none;
};
NormalizedPath normalize_path(std::string_view path, std::string& storage);

// An authority without userinfo: reg-name or IPv4 or [IPv6], optional port. The host comes back as written (brackets off).
struct Authority {
  std::string_view host;
  std::optional<std::uint16_t> port;
  bool ipv6_literal = false;
};
// Nothing when it is malformed: userinfo, empty host, bad port (0 and an empty one too), empty labels. Names are held to
// letters, digits and "-._~": RFC 3986 allows sub-delimiters and escapes as well, which no DNS name has and which
// servers read differently.
std::optional<Authority> parse_authority(std::string_view text) noexcept;

}  // namespace sluice::http
