// Asks a running gateway's admin listener, for the commands that talk to one. Blocking; bounded in time and size.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

namespace sluice::commands {

// There is no gateway there, or it does not let us in; the message says what to do.
class UnreachableError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Nobody listens there (any more).
class NobodyError : public UnreachableError {
 public:
  using UnreachableError::UnreachableError;
};

struct AdminResponse {
  unsigned status = 0;
  std::string body;
};

// `address`: host:port. Sends the token of the environment variable SLUICE_ADMIN_TOKEN if there is one. Throws UnreachableError,
// for refusals (401, 403) too, and InputError when the address is none.
AdminResponse ask_gateway(const std::string& address, const std::string& method, const std::string& path,
                          std::chrono::seconds patience);

}  // namespace sluice::commands
