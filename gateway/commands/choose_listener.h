// Which listener a URL leads to, as far as its scheme and port tell. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "gateway/commands/trial_request.h"

namespace sluice::commands {

struct ListenerChoice {
  const config::Listener* listener = nullptr;
  std::string note;  // why this one, where others were possible; may be empty
};

// `name`: of the listener to take whatever its port is; empty: by the URL. Throws InputError when there is
// none, and says which listeners there are.
ListenerChoice choose_listener(const config::Config& config, const TrialRequest& request,
                               const std::string& name);

// Whether its client speaks HTTP/2. `wanted`: a word of listeners.protocols; empty: HTTP/1.1 where the listener speaks that. Throws
// InputError when the listener does not speak what is wanted.
bool choose_http2(const config::Listener& listener, const std::string& wanted);

// `web (0.0.0.0:8080, plain)`
std::string listener_text(const config::Listener& listener);

}  // namespace sluice::commands
