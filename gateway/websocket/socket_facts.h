// An open WebSocket as it is at one moment. A value, to be handed to other threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "gateway/websocket/socket_identity.h"

namespace sluice::websocket {

struct SocketFacts {
  struct Direction {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;  // on the wire
    double per_second = 0;    // messages, lately
  };
  std::shared_ptr<const SocketIdentity> identity;  // never null
  std::chrono::milliseconds age{0};
  std::chrono::milliseconds idle{0};  // since the last data frame of either side, or since it was opened
  Direction to_client, to_upstream;
  bool closing = false;
};

}  // namespace sluice::websocket
