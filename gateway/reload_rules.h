// What a running gateway can take over of a new configuration. Pure functions of both.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace sluice {

// Reasons why `next` cannot replace `running` without a restart: `key.path: what; what to do`. Empty: it can.
std::vector<std::string> needs_restart(const config::Config& running, const config::Config& next);
// What of `next` waits for the next restart, as warnings; the rest takes effect.
std::vector<std::string> takes_effect_later(const config::Config& running, const config::Config& next);
// The listener of `running` that goes on as `listener`, of the same name and address; none: it is new.
const config::Listener* same_listener(const config::Config& running, const config::Listener& listener);

}  // namespace sluice
