// `sluice sockets`: what it prints of a running gateway's open WebSockets, or of those that it closes. Throws UnreachableError and
// InputError.
#pragma once

#include <cstddef>
#include <string>

namespace sluice::commands {

// As they were given; empty: not. The gateway says what is wrong with them.
struct SocketsOptions {
  std::string admin = "127.0.0.1:9901";
  std::string id;
  std::string route, client, endpoint, older_than, idle_for, faster_than, limit;
  bool json = false;
  bool close = false;
  std::string code, reason, over;  // of close
  bool all = false;
};

// `width`: of the terminal, which lines are cut to; 0: there is none.
std::string sockets_command(const SocketsOptions& options, std::size_t width);

}  // namespace sluice::commands
