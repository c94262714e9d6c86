// `sluice plan OLD NEW`: what a reload would change.
#pragma once

#include <string>

#include "config/config.h"

namespace sluice::commands {

// What is printed; `admin` empty: no running gateway is asked how many of its WebSockets would be let go. Throws
// UnreachableError and InputError.
std::string plan_command(const config::Config& running, const config::Config& next, const std::string& admin);

}  // namespace sluice::commands
