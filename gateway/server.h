// The gateway as a whole: opens the listeners, starts the workers, and runs the control thread (signals, admin, drain).
// run() returns when everything has ended.
#pragma once

#include <optional>
#include <string>

#include "config/config.h"
#include "gateway/program.h"

namespace sluice {

enum class ExitCode : int { done = 0, bad_input = 1, usage = 2, unreachable = 3, cannot_start = 4 };

// Blocks until the gateway has drained. `file`: what the configuration came from and is loaded from again; none: it
// stays. Throws config::ConfigError when certificates or keys are wrong.
// `program`: how this one was started, for its successor.
ExitCode run_server(config::Config config, std::optional<std::string> file, Program program);

}  // namespace sluice
