// Which files a configuration names whose content matters: certificates, keys, CAs, pages.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace sluice::config {

// Each once, sorted.
std::vector<std::string> files_of(const Config& config);

}  // namespace sluice::config
