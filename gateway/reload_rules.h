// What a running gateway takes over of a new configuration, and how. Pure functions of both.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace sluice {

// For each listener of `next`, the index of the running one whose sockets it goes on with: it has the same address. The
// name decides among several (port 0); otherwise it may change. None: the address has to be opened.
std::vector<std::optional<std::size_t>> kept_listeners(const std::vector<config::Listener>& running,
                                                       const std::vector<config::Listener>& next);
// What of `next` waits for the next restart of a process that began with `started_with`, as warnings; the rest takes effect.
std::vector<std::string> takes_effect_later(const config::Config& started_with, const config::Config& next);

}  // namespace sluice
