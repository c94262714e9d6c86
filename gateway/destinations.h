// What a listener speaks and where it leads, in words. Pure functions.
#pragma once

#include <string>

#include "config/config.h"

namespace sluice {

// For its start-up line: `https and wss, HTTP/2 and HTTP/1.1`. Programs read that line: what is added comes behind what was there.
// Nothing is added where HTTP/1.1 is spoken without TLS and nothing else, which everybody expects.
std::string spoken(const config::Listener& listener);

// For the same line: `api (http://127.0.0.1:8000), old (redirect)`.
// `upstreams`: with what was discovered.
std::string destinations(const config::Config& config, const std::vector<config::Upstream>& upstreams,
                         const config::Listener& listener);

}  // namespace sluice
