// What is counted about upgrades and tunnels: one set per worker and route.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "metrics/registry.h"
#include "metrics/websocket_violation.h"

namespace sluice::metrics {

enum class UpgradeResult : std::uint8_t {
  accepted,          // 101 and a tunnel
  rejected_client,   // the client's handshake was wrong (400, 426)
  rejected_route,    // websocket.enabled is false
  rejected_origin,   // its Origin is not among websocket.origins
  rejected_rate,     // handshake_rate
  rejected_limit,    // max_tunnels
  rejected_client_limit,  // max_tunnels_per_client
  refused_upstream,  // the backend answered something else than 101
  failed_upstream,   // no answer, or a wrong 101
  client_left,
  count_,
};
std::string_view name_of(UpgradeResult result) noexcept;

// A limit that would have kept a WebSocket out, or ended it, if its route did not only observe. (What frames do is a Violation.)
enum class Observed : std::uint8_t { origins, handshake_rate, max_tunnels, max_tunnels_per_client, max_lifetime, count_ };
std::string_view name_of(Observed limit) noexcept;

// Who does something in a tunnel.
enum class Party : std::uint8_t { client, upstream, gateway, count_ };
std::string_view name_of(Party party) noexcept;

class WebSocketMetrics {
 public:
  WebSocketMetrics(Registry& registry, unsigned worker, std::string_view route);

  void count_upgrade(UpgradeResult result) noexcept;        // sluice_websocket_upgrades_total{route,result}
  // sluice_websocket_closes_total{route,initiator,code}: code is one of the registered codes 1000-1015, "3xxx", "4xxx", "other" or "none"
  // (no Close frame was seen); initiator: client, upstream or gateway.
  void count_close(Party initiator, unsigned code) noexcept;   // 0: none
  void count_observed(Observed limit) noexcept;             // sluice_websocket_observed_total{route,limit}
  // sluice_websocket_violations_total{route,sender,rule}: sender: client or upstream.
  void count_violation(Party sender, Violation rule) noexcept;

  Gauge& tunnels_open;           // sluice_websocket_tunnels_open{route}
  Histogram& tunnel_seconds;     // sluice_websocket_tunnel_duration_seconds{route}
  Counter& moved;                // sluice_websocket_moved_tunnels_total{route} : told to go to another endpoint (rebalance)
  Gauge& compression_memory;     // sluice_websocket_compression_memory_bytes{route} : of zlib, with compression: offload
  struct Direction {             // {route,direction="to_client"|"to_upstream"}
    Counter& frames;             // sluice_websocket_frames_total : data and control
    Counter& messages;           // sluice_websocket_messages_total
    Counter& bytes;              // sluice_websocket_bytes_total : on the sender's wire
    Histogram& message_bytes;    // sluice_websocket_message_bytes : payload on the sender's wire; of terminated tunnels inflated
    Counter& pings;              // sluice_websocket_control_frames_total{opcode}
    Counter& pongs;
    Counter& closes;
    Counter& pauses;             // sluice_websocket_pauses_total : the sender had to wait for the receiver
  };
  Direction to_client, to_upstream;
  Counter& dropped;              // sluice_websocket_dropped_messages_total{route} : slow_consumer
  struct Peer {                  // {route,peer="client"|"upstream"}
    Histogram& round_trip;       // sluice_websocket_ping_seconds
    Counter& vanished;           // sluice_websocket_ping_timeouts_total
  };
  Peer client, upstream;
  Histogram& handshake_seconds;  // sluice_websocket_handshake_seconds{route} : from the request's head to the 101

 private:
  static constexpr std::size_t kCodes = 20;
  std::array<Counter*, static_cast<std::size_t>(UpgradeResult::count_)> upgrades_;
  std::array<Counter*, static_cast<std::size_t>(Observed::count_)> observed_;
  std::array<std::array<Counter*, kCodes>, static_cast<std::size_t>(Party::count_)> closes_;
  std::array<std::array<Counter*, static_cast<std::size_t>(Violation::count_)>, 2> violations_;  // by sender; none: null
};

}  // namespace sluice::metrics
