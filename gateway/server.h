// The gateway as a whole: opens the listeners, starts the workers, and runs the control thread (signals, admin, drain). run() returns when everything has ended.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"

namespace sluice {

enum class ExitCode : int { done = 0, bad_input = 1, usage = 2, cannot_start = 4 };

// Blocks until the gateway has drained. `source`: what the configuration came from, for the log. Throws config::ConfigError when
// certificates or keys are wrong.
ExitCode run_server(config::Config config, const std::string& source);

}  // namespace sluice
