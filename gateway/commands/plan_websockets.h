// The half of `sluice plan --admin` that counts: which of a running gateway's WebSockets a reload would let go or move.
#pragma once

#include <string>

#include "config/config.h"

namespace sluice::commands {

// `status`: what the gateway's /status says. Throws nlohmann::json::exception when that is no status.
std::string plan_websockets(const config::Config& running, const config::Config& next, const std::string& status);

}  // namespace sluice::commands
