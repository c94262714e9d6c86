// `path` and `path_prefix`, over normalised paths.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace sluice::routing {

// Whether a prefix of that length, if it is one at all, ends between two segments of `path`: "/ws" covers
// "/ws" and
// "/ws/x", not "/wsx"; "/ws/" covers "/ws/" and "/ws/x", not "/ws".
bool ends_on_segment(std::string_view path, std::size_t prefix_length) noexcept;

// The prefix that covers every path, also the "*" of `OPTIONS *`.
inline constexpr std::string_view kRootPrefix = "/";

// For hash tables keyed by path that are searched with a view.
struct PathHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view path) const noexcept { return std::hash<std::string_view>{}(path); }
};

}  // namespace sluice::routing
