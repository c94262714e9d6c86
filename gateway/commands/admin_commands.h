// `sluice reload`, `drain` and `status`: what they print. Throw UnreachableError and InputError.
#pragma once

#include <string>

namespace sluice::commands {

// The new configuration is in force, or InputError tells what is wrong with it.
std::string reload_command(const std::string& admin);
// `wait`: it returns when the gateway has ended, not when it has begun to drain.
std::string drain_command(const std::string& admin, bool wait);
// `json`: as the gateway tells it.
std::string status_command(const std::string& admin, bool json);

}  // namespace sluice::commands
