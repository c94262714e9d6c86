// What happened to one request, gathered on its way and written once at its end to the access log and the metrics.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http/message.h"
#include "tls/io_types.h"

namespace sluice::proxy {

// When each stage ended. Unset: it was not reached.
struct StageTimes {
  Clock::time_point begin{};        // the first byte of the head
  Clock::time_point head_read{};    // read_head
  Clock::time_point connected{};    // connect (also when a pooled connection was taken)
  Clock::time_point sent{};         // send: the request's head, and what was at hand of its body
  Clock::time_point answered{};     // wait: the response head is there
  Clock::time_point finished{};     // respond
};

struct ExchangeRecord {
  std::chrono::system_clock::time_point time{};
  StageTimes stages;
  std::string_view client_ip;       // the believed one; this and the next are views into the request's head
  std::string_view request_id;
  unsigned status = 0;              // as sent; 499 when the client left first
  bool became_tunnel = false;       // which has lines of its own in the access log
  std::uint64_t bytes_received = 0; // request body
  std::uint64_t bytes_sent = 0;     // response body
  std::size_t route = static_cast<std::size_t>(-1);
  std::string_view upstream;        // that it went to: its name in the configuration
  std::string_view endpoint;        // the last one tried: its URL in the configuration
  std::optional<http::Version> upstream_version;  // that is spoken with it; nothing: there was no connection
  unsigned attempts = 0;
  std::string_view failure;         // a static name; empty: none
  std::string_view observed;        // a limit that would have kept a WebSocket out: a static name, of the first one; empty: none
  std::string failure_detail;       // for the process log
};

}  // namespace sluice::proxy
