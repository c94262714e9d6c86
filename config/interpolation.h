// ${NAME} from the environment, now; ${host} and the like from the request, later.
#pragma once

#include <string>
#include <vector>

#include "config/route_config.h"

namespace sluice::config {

// Splits `raw` into literals (with the environment filled in, and never looked at again) and request
// variables. Returns what is wrong with it, nothing when it is good.
std::vector<std::string> interpolate(const std::string& raw, Template& result);

std::string name_of(Variable variable);

}  // namespace sluice::config
