// `sluice tap`: prints what passes through one WebSocket of a running gateway, as it passes. Throws UnreachableError and InputError.
#pragma once

#include <ostream>
#include <string>

namespace sluice::commands {

struct TapOptions {
  std::string admin = "127.0.0.1:9901";
  std::string id;
  std::string time;  // empty: as long as the gateway does by itself
  bool json = false;
};

// Returns when the WebSocket has ended or the time is over.
void tap_command(const TapOptions& options, std::ostream& out);

}  // namespace sluice::commands
