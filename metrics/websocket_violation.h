// What one side of a tunnel may do wrong: the label `rule` of sluice_websocket_violations_total, and the field `violation` of the
// access log.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::metrics {

// Each has a name in name_of(), a Close code in websocket::close_code_for() (1002 unless it says otherwise), and a row in docs/websocket.md.
enum class Violation : std::uint8_t {
  none,
  // Of the protocol: Close 1002.
  reserved_bits,            // set without an extension that gives them a meaning (RFC 6455 5.2, RFC 7692 6)
  reserved_opcode,          // 3-7, 11-15 (5.2)
  unmasked,                 // by a client (5.1)
  masked,                   // by a server (5.1)
  long_length,              // not in the shortest form (5.2)
  impossible_length,        // the highest bit of 64 is set (5.2)
  control_too_long,         // more than 125 bytes (5.5)
  control_fragmented,       // (5.5)
  unexpected_continuation,  // of no message (5.4)
  missing_continuation,     // a new message within another (5.4)
  close_payload,            // a Close of one byte (5.5.1)
  close_code,               // one that must not be sent, or that nobody has defined (7.4)
  close_reason,             // not UTF-8 (5.5.1): Close 1007
  // Of payloads: Close 1007.
  text_not_utf8,            // (8.1) where the gateway looks at it
  broken_deflate,           // no deflated data, or a message that ends within some (RFC 7692 7.2.2)
  // Of the route's limits. They are only counted with `observe`.
  frame_too_big,    // Close 1009
  message_too_big,  // Close 1009
  message_rate,   // Close 1008
  slow_consumer,  // a client that does not take what is sent to it: Close 1013
  count_,
};
std::string_view name_of(Violation violation) noexcept;

}  // namespace sluice::metrics
