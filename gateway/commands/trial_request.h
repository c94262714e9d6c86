// The request that `sluice explain` is asked about, from the words of its command line. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace sluice::commands {

// What a user wrote cannot be worked with; the message says what was expected.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct TrialRequest {
  bool secure = false;  // https or wss
  std::string host;     // of the URL, without brackets and port
  bool host_is_ip = false;
  std::optional<std::uint16_t> port;  // if the URL has one
  std::string head;                   // as a client would send it
};

// `headers`: `Name: value` each. ws:// and wss:// bring the fields of a WebSocket handshake along, as far as
// the headers do not have them; Host comes from the URL in the same way. Whether the head is a good one is
// for the parser to say.
TrialRequest make_request(const std::string& method, const std::string& url,
                          const std::vector<std::string>& headers);

}  // namespace sluice::commands
