#include "gateway/http/hop_by_hop.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>

namespace sluice::http {
namespace {

constexpr std::size_t kMaxNamed = 32;

// Names that are looked up for every field of every message: most are told apart by their length alone.
class NameSet {
 public:
  template <std::size_t N>
  explicit constexpr NameSet(const std::string_view (&names)[N]) : names_(names) {
    for (const std::string_view name : names) lengths_ |= std::uint64_t{1} << name.size();
  }
  bool has(std::string_view name) const noexcept {
    if (name.size() >= 64 || (lengths_ >> name.size() & 1) == 0) return false;
    return std::any_of(names_.begin(), names_.end(),
                       [name](std::string_view other) { return equals_ignore_case(name, other); });
  }

 private:
  std::span<const std::string_view> names_;
  std::uint64_t lengths_ = 0;
};

constexpr std::string_view kHopByHopNames[] = {
    "Connection", "Keep-Alive",        "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE",
    "Trailer",    "Transfer-Encoding", "Upgrade",          "HTTP2-Settings",
};

// A client may not make the gateway drop what decides framing, routing, identity or the handshake: a backend
// that misses one of these reads the request differently than the gateway did.
constexpr std::string_view kProtectedNames[] = {
    "Host", "Content-Length", "Cookie", "Authorization", "Forwarded", "X-Real-IP", "X-Request-Id",
};
constexpr std::string_view kProtectedPrefixes[] = {"X-Forwarded-", "Sec-WebSocket-"};

// RFC 9110 6.5.1: fields that are needed before the content, or that frame, route, authenticate, modify the
// request or describe the content. Those of one connection and of the forwarding chain have no meaning there
// either.
constexpr std::string_view kNotInTrailersNames[] = {
    "Host",
    "Content-Length",
    "Content-Encoding",
    "Content-Type",
    "Content-Range",
    "Content-Location",
    "Authorization",
    "WWW-Authenticate",
    "Cookie",
    "Set-Cookie",
    "Cache-Control",
    "Expect",
    "Max-Forwards",
    "Pragma",
    "Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "If-Range",
    "Age",
    "Date",
    "Expires",
    "Location",
    "Retry-After",
    "Vary",
    "Warning",
    "Forwarded",
    "Via",
    "X-Real-IP",
    "X-Request-Id",
    "Origin",
};

constexpr NameSet kHopByHop(kHopByHopNames);
constexpr NameSet kProtected(kProtectedNames);
constexpr NameSet kNotInTrailers(kNotInTrailersNames);

bool has_protected_prefix(std::string_view name) noexcept {
  return std::any_of(
      std::begin(kProtectedPrefixes), std::end(kProtectedPrefixes),
      [name](std::string_view prefix) { return equals_ignore_case(name.substr(0, prefix.size()), prefix); });
}

bool has_underscore(std::string_view name) noexcept { return name.find('_') != std::string_view::npos; }

}  // namespace

std::vector<std::string_view> remove_hop_by_hop(Headers& headers) {
  // Bounded, since a head full of tokens would cost tokens times fields. What is named beyond is passed on,
  // which harms nobody: the fields that must not pass are removed by their own names.
  std::vector<std::string_view> named;
  for (const Field& field : headers) {
    if (!equals_ignore_case(field.name, "Connection")) continue;
    for_each_list_member(field.value, [&](std::string_view token) {
      const bool usual = kHopByHop.has(token) || equals_ignore_case(token, "close");
      if (usual || kProtected.has(token) || has_protected_prefix(token) || named.size() == kMaxNamed) return;
      named.push_back(token);
    });
  }
  headers.remove_if([&](const Field& field) {
    return kHopByHop.has(field.name) ||
           std::any_of(named.begin(), named.end(),
                       [&](std::string_view name) { return equals_ignore_case(field.name, name); });
  });
  return named;
}

void remove_underscored(Headers& headers) {
  headers.remove_if([](const Field& field) { return has_underscore(field.name); });
}

bool allowed_in_trailers(std::string_view name) noexcept {
  return !name.empty() && !has_underscore(name) && !kHopByHop.has(name) && !kNotInTrailers.has(name) &&
         !has_protected_prefix(name);
}

}  // namespace sluice::http
