#include "gateway/websocket/handshake_origin.h"

#include <algorithm>
#include <optional>

#include "config/origin.h"
#include "gateway/http/uri.h"

namespace sluice::websocket {
namespace {

struct PageOrigin {
  std::string_view scheme;
  std::string_view host;
  std::uint16_t port = 0;  // 0: none is written, and the scheme has no default
};

std::optional<PageOrigin> parse(std::string_view scheme, std::string_view host) noexcept {
  const std::optional<http::Authority> authority = http::parse_authority(host);
  if (!authority) return std::nullopt;
  for (const std::string_view known : {"https", "http"}) {
    if (http::equals_ignore_case(scheme, known)) scheme = known;
  }
  return PageOrigin{scheme, authority->host, authority->port.value_or(config::default_port(scheme))};
}

// Of a field's value: a scheme and an authority, nothing else (RFC 6454 6.2).
std::optional<PageOrigin> parse(std::string_view text) noexcept {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos) return std::nullopt;
  return parse(text.substr(0, end), text.substr(end + 3));
}

bool same(const PageOrigin& page, const http::Origin& request) noexcept {
  const std::optional<PageOrigin> own = parse(request.scheme, request.host);
  return own && http::equals_ignore_case(page.scheme, own->scheme) && page.port == own->port &&
         http::equals_ignore_case(page.host, own->host);
}

bool covers(std::string_view pattern, std::string_view host) noexcept {
  if (!pattern.starts_with("*.")) return http::equals_ignore_case(host, pattern);
  pattern.remove_prefix(1);
  return host.size() > pattern.size() && http::equals_ignore_case(host.substr(host.size() - pattern.size()), pattern);
}

}  // namespace

bool origin_allowed(const std::vector<config::AllowedOrigin>& allowed, const http::Headers& headers,
                    const http::Origin& request) noexcept {
  if (allowed.empty()) return true;
  const std::optional<std::string_view> field = headers.find("Origin");
  if (!field) return true;
  if (headers.count("Origin") > 1) return false;
  const std::optional<PageOrigin> page = parse(*field);
  return page && std::any_of(allowed.begin(), allowed.end(), [&](const config::AllowedOrigin& one) {
           if (one.scheme.empty()) return same(*page, request);
           return http::equals_ignore_case(page->scheme, one.scheme) && page->port == one.port &&
                  covers(one.host, page->host);
         });
}

}  // namespace sluice::websocket
