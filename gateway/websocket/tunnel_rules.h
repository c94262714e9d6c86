// What a route asks of its tunnels. Made once for a configuration and shared by the tunnels that were opened under it, so that
// nothing else of it stays in memory because of them.
#pragma once

#include <memory>

#include "config/websocket_config.h"
#include "gateway/websocket/deflate_offer.h"
#include "gateway/websocket/frame_walker.h"
#include "gateway/websocket/handshake_extensions.h"
#include "gateway/websocket/keep_alive.h"
#include "gateway/websocket/message_rate.h"
#include "gateway/websocket/socket_identity.h"
#include "tls/io_types.h"

namespace sluice::websocket {

// What happens when a client does not take what its backend sends.
struct SlowConsumerRule {
  enum class Action : std::uint8_t {
    pause,  // the backend has to wait
    drop,   // messages that are in one frame are dropped until it has taken the rest; not where compression makes them depend on each other
    close,  // 1013
  };
  std::size_t buffer = 64 * 1024;  // bytes that are kept for it
  Action action = Action::pause;
  std::chrono::milliseconds after{10000};  // so long without room, the action begins
};

struct TunnelRules {
  std::optional<std::chrono::milliseconds> idle_timeout = {};  // no data frames either way; pings do not count
  std::optional<std::chrono::milliseconds> max_lifetime = {};
  PingRule ping = {};
  std::optional<MessageRateRule> message_rate = {};       // of what the client sends
  SlowConsumerRule slow_consumer = {};
  std::uint16_t leave_code = 1012;                        // of Tunnel::leave()
  std::chrono::milliseconds leave_within{20000};
  config::Tap tap = config::Tap::headers;                 // what Tunnel::begin_tap() may show
  bool validate_utf8 = false;                             // of text that passes as it is
  FrameRules frames = {};                                 // for both sides, apart from what a handshake decides
};

// Of a tunnel whose two WebSockets the gateway ends itself.
struct Terminated {
  std::optional<DeflateAgreement> deflate;  // with the client
};

// What one tunnel has of its own when it is opened.
struct TunnelOpening {
  std::shared_ptr<const TunnelRules> rules;
  ReservedBits reserved_bits = {};  // of the extensions that the two sides agreed on
  const void* endpoint = nullptr;   // which one it leads to: to be compared, not looked into
  bool endpoint_left = false;       // while the handshake was under way: it leaves from the start
  std::shared_ptr<const SocketIdentity> identity = {};
  std::optional<Terminated> terminated = {};
};

}  // namespace sluice::websocket
