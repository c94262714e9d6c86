// `methods`: exactly as written, since methods are case-sensitive (RFC 9110 9.1). GET does not include HEAD.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::routing {

// An empty list matches every method.
bool method_matches(const std::vector<std::string>& methods, std::string_view method) noexcept;

}  // namespace sluice::routing
