#include "gateway/routing/path_match.h"

namespace sluice::routing {

bool ends_on_segment(std::string_view path, std::size_t prefix_length) noexcept {
  if (prefix_length == 0 || prefix_length > path.size()) return false;
  return prefix_length == path.size() || path[prefix_length] == '/' || path[prefix_length - 1] == '/';
}

}  // namespace sluice::routing
