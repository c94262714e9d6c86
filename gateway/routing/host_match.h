// `hosts`: exact names and wildcards. Case and one trailing dot do not count; `*.` covers one or more labels.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice::routing {

std::string_view without_trailing_dot(std::string_view host) noexcept;

// "example.com" for "*.example.com", nothing for an exact host.
std::string_view wildcard_suffix(std::string_view pattern) noexcept;

// Whether `host` (without a trailing dot) has at least one label before a suffix of that length.
bool has_labels_before(std::string_view host, std::size_t suffix_length) noexcept;

// For hash tables keyed by host that are searched with a view, in any case.
struct HostHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view host) const noexcept;
};
struct HostEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const noexcept;
};

}  // namespace sluice::routing
