// `limits` and `timeouts`. Every limit is for the whole process, not per worker, but for those of one connection.
#pragma once

#include "config/values.h"

namespace sluice::config {

// Of each HTTP/2 connection of a client.
struct Http2Limits {
  std::uint64_t max_concurrent_streams = 128;  // announced; over it the client breaks the protocol
  std::uint64_t max_header_list = 64 * 1024;   // bytes of names and values, and 32 for each field (RFC 9113 6.5.2); over it 431
  OptionalRate max_resets = Rate{100, std::chrono::seconds(1)};
  bool operator==(const Http2Limits&) const = default;
};

struct Limits {
  std::uint64_t max_connections = 10000;
  OptionalCount max_connections_per_client;
  std::uint64_t max_request_line = 16 * 1024;  // bytes without the line end; over it 414
  std::uint64_t max_request_head = 64 * 1024;  // bytes of the whole head; over it 431
  std::uint64_t max_headers = 100;             // over it 431
  OptionalSize max_request_body = 1ull << 30;  // over it 413; a route may set its own
  std::uint64_t max_held_bytes = 256ull << 20; // buffered for slow peers, all connections together
  Http2Limits http2;
  bool operator==(const Limits&) const = default;
};

struct Timeouts {
  OptionalDuration tls_handshake = std::chrono::seconds(10);
  OptionalDuration request_head = std::chrono::seconds(10);
  OptionalDuration request_body_idle = std::chrono::seconds(30);
  OptionalDuration keepalive_idle = std::chrono::seconds(75);
  OptionalDuration client_write_idle = std::chrono::seconds(60);
  OptionalDuration connect = std::chrono::seconds(5);
  OptionalDuration response_head = std::chrono::seconds(60);
  OptionalDuration response_body_idle = std::chrono::seconds(60);
  Duration drain = std::chrono::seconds(30);
  bool operator==(const Timeouts&) const = default;
};

}  // namespace sluice::config
