#include "gateway/routing/listener_match.h"

#include <algorithm>

namespace sluice::routing {

bool listener_matches(const std::vector<std::string>& listeners, std::string_view listener) noexcept {
  return listeners.empty() || std::find(listeners.begin(), listeners.end(), listener) != listeners.end();
}

}  // namespace sluice::routing
