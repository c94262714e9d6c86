#include "gateway/routing/host_match.h"

#include <cstdint>

#include "gateway/http/headers.h"

namespace sluice::routing {

std::string_view without_trailing_dot(std::string_view host) noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

std::string_view wildcard_suffix(std::string_view pattern) noexcept {
  return pattern.starts_with("*.") ? pattern.substr(2) : std::string_view{};
}

bool has_labels_before(std::string_view host, std::size_t suffix_length) noexcept {
  // One character and the dot at least.
  return host.size() >= suffix_length + 2 && host[host.size() - suffix_length - 1] == '.';
}

std::size_t HostHash::operator()(std::string_view host) const noexcept {
  // FNV-1a over the lower-case form. The keys come from the configuration, so nobody outside can fill a
  // bucket.
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : host) {
    const auto byte = static_cast<unsigned char>(c);
    hash = (hash ^ (byte >= 'A' && byte <= 'Z' ? byte | 0x20u : byte)) * 1099511628211u;
  }
  return static_cast<std::size_t>(hash);
}

bool HostEqual::operator()(std::string_view a, std::string_view b) const noexcept {
  return http::equals_ignore_case(a, b);
}

}  // namespace sluice::routing
