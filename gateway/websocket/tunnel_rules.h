// What a route asks of its tunnels. Made once for a configuration and shared by the tunnels that were opened under it, so that
// nothing else of it stays in memory because of them.
#pragma once

#include <memory>

#include "gateway/websocket/frame_walker.h"
#include "gateway/websocket/handshake_extensions.h"
#include "tls/io_types.h"

namespace sluice::websocket {

struct TunnelRules {
  std::optional<std::chrono::milliseconds> idle_timeout;  // no data frames either way; pings do not count
  std::uint16_t leave_code = 1012;                        // of Tunnel::leave()
  std::chrono::milliseconds leave_within{20000};
  FrameRules frames = {};                                 // for both sides, apart from what a handshake decides
};

// What one tunnel has of its own when it is opened.
struct TunnelOpening {
  std::shared_ptr<const TunnelRules> rules;
  ReservedBits reserved_bits = {};  // of the extensions that were agreed on
  const void* endpoint = nullptr;   // which one it leads to: to be compared, not looked into
  bool endpoint_left = false;       // while the handshake was under way: it leaves from the start
};

}  // namespace sluice::websocket
