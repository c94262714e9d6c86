// The gateway as a whole: opens the listeners, starts the workers, and runs the control thread (signals, admin, drain). run() returns when everything has ended.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"

namespace sluice {

enum class ExitCode : int { done = 0, bad_input = 1, usage = 2, cannot_start = 4 };

// What loading the file cannot find: whether certificates, keys and trust stores make TLS contexts. Opens no socket.
// Returns what is wrong, a line each; empty: nothing.
std::vector<std::string> check_tls(const config::Config& config, std::vector<std::string>& warnings);

// Blocks until the gateway has drained. `source`: what the configuration came from, for the log.
ExitCode run_server(config::Config config, const std::string& source);

}  // namespace sluice
