// A whole configuration as text, one value per line, so that a golden file shows every default and every
// value read.
#pragma once

#include <string>

#include "config/config.h"

namespace sluice::config {

// Paths under `folder` are written relative to it.
std::string config_text(const Config& config, const std::string& folder);

}  // namespace sluice::config
