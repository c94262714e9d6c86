// `listeners`: the names of those that the request may come from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::routing {

// An empty list matches every listener.
bool listener_matches(const std::vector<std::string>& listeners, std::string_view listener) noexcept;

}  // namespace sluice::routing
