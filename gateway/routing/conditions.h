// The conditions of a route other than its hosts and its path. Matching and explaining read the same rows, so
// that what is explained is what happens. Pure functions.
//
// To add a matcher: its test in <what>_match.* here, its field in RouteInput, and its row in kConditions
// (conditions.cpp).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "config/route_config.h"
#include "gateway/routing/route_input.h"

namespace sluice::routing {

// Each entry of `headers` and `query` is one. A path_regex is none: it ranks as a path.
std::size_t count_conditions(const config::RouteMatch& match);

// Also that the path_regex is found: unlike other paths, it cannot be looked up.
bool meets_conditions(const config::RouteMatch& match, const RouteInput& input);

// The first condition that is not met, in words: `method POST is not in [GET]`. Empty: all are met.
std::string unmet_condition(const config::RouteMatch& match, const RouteInput& input);

// `[a, b]`, for reasons.
std::string list_text(const std::vector<std::string>& words);

}  // namespace sluice::routing
