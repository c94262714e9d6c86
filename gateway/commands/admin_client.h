// Asks a running gateway's admin listener, for the commands that talk to one. Blocking; bounded in time and size.
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

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
// The same, by GET, for an answer without an end of its own: if its status is 200, its lines go to `print` as they come, without
// their ends.
AdminResponse follow_gateway(const std::string& address, const std::string& path, std::chrono::seconds patience,
                             const std::function<void(const std::string& line)>& print);
// As a part of a path or of a query.
std::string url_escaped(std::string_view text);

}  // namespace sluice::commands
