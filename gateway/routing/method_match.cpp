#include "gateway/routing/method_match.h"

#include <algorithm>

namespace sluice::routing {

bool method_matches(const std::vector<std::string>& methods, std::string_view method) noexcept {
  return methods.empty() || std::find(methods.begin(), methods.end(), method) != methods.end();
}

}  // namespace sluice::routing
