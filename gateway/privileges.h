// Whether the process has more rights than its configuration needs. Pure functions.
#pragma once

#include <string>

#include "config/config.h"

namespace sluice {

// A warning for the log when `user` (its effective id) is root although no port under 1024 asks for it; else empty.
std::string needless_root(const config::Config& config, unsigned user);

}  // namespace sluice
