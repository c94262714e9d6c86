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

// `web (0.0.0.0:8080, plain)`
std::string listener_text(const config::Listener& listener);

}  // namespace sluice::commands
