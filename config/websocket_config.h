// `websocket` of a route: who may open a tunnel, and what it may do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/values.h"

namespace sluice::config {

// How tunnels are told to go when their route or endpoint is gone.
struct WebSocketDrain {
  unsigned code = 1012;
  Duration over = std::chrono::seconds(20);  // spread evenly over this time; shorter than timeouts.drain
  bool operator==(const WebSocketDrain&) const = default;
};

// Where pages that open WebSockets may be from.
struct AllowedOrigin {
  std::string scheme;      // lower case; empty: the word `same`, the request's own origin
  std::string host;        // lower case, without brackets; "*.example.com" covers one or more labels
  std::uint16_t port = 0;  // the scheme's default where none is written; 0: it has none
  bool operator==(const AllowedOrigin&) const = default;
};

// How fast one client's messages may come.
struct MessageRate {
  enum class Action { close, delay };
  Rate rate;
  std::uint64_t burst = 0;  // so many at once after a pause; 0: what the rate gives in a second, one at least
  Action action = Action::close;
  bool operator==(const MessageRate&) const = default;
};

// How the gateway finds out that a side of a tunnel is gone.
struct Ping {
  enum class To { client, backend, both };
  Duration interval = std::chrono::seconds(30);
  Duration timeout = std::chrono::seconds(10);  // not longer than the interval
  To to = To::client;
  bool operator==(const Ping&) const = default;
};

// What happens when a client does not take what its backend sends.
struct SlowConsumer {
  enum class Action { pause, drop, close };
  std::uint64_t buffer = 64 << 10;  // bytes that are kept for it, then its backend has to wait
  Action action = Action::pause;
  Duration after = std::chrono::seconds(10);  // of that, drop and close begin
  bool operator==(const SlowConsumer&) const = default;
};

// What `sluice tap` may show of frames.
enum class Tap { off, headers, payload };

struct WebSocketRules {
  enum class Mode {
    forward,    // the handshake goes to the backend, and frames as they are
    terminate,  // the gateway ends both sides' WebSockets itself
  };
  enum class Compression {
    pass,     // forward: what the two sides agree on
    off,
    offload,  // terminate: permessage-deflate towards the client, plain towards the backend
  };

  bool enabled = true;
  Mode mode = Mode::forward;
  std::vector<std::string> subprotocols = {};   // terminate: of these the gateway chooses; empty: the backend does
  std::optional<Compression> compression = {};  // absent: pass, with terminate off
  bool validate_utf8 = false;              // of text; with terminate it is anyway
  std::vector<AllowedOrigin> origins = {};  // empty: any
  OptionalRate handshake_rate = {};         // of one client
  OptionalDuration idle_timeout = std::chrono::hours(1);  // no data frames either way
  OptionalDuration max_lifetime = {};
  std::optional<Ping> ping = {};
  OptionalCount max_tunnels = {};
  OptionalCount max_tunnels_per_client = {};
  OptionalSize max_message_size = 64ull << 20;  // bytes, with offload inflated; over it 1009 to the sender
  OptionalSize max_frame_size = {};
  std::optional<MessageRate> message_rate = {};
  SlowConsumer slow_consumer = {};
  bool observe = false;  // limits are counted and logged, not enforced
  WebSocketDrain drain = {};
  Tap tap = Tap::headers;
  bool operator==(const WebSocketRules&) const = default;
};

}  // namespace sluice::config
