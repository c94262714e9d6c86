// What is counted about client connections and the worker that serves them: one set per worker.
#pragma once

#include <string_view>
#include <vector>

#include "metrics/registry.h"

namespace sluice::metrics {

class ConnectionMetrics {
 public:
  // `parse_errors`: the names of every reason, in the order of the enum that counts them.
  ConnectionMetrics(Registry& registry, unsigned worker, const std::vector<std::string_view>& parse_errors);
  void count_parse_error(std::size_t reason) noexcept { parse_errors_[reason]->add(); }

  Counter& accepted;             // sluice_connections_accepted_total{worker}
  Gauge& open;                   // sluice_connections_open{worker}
  Counter& refused_limit;        // sluice_connections_refused_total{reason="max_connections"}
  Counter& refused_client;       // the same, {reason="max_connections_per_client"}
  Counter& accept_paused;        // sluice_accept_pauses_total : descriptors ran out
  Counter& timeout_tls_handshake, & timeout_request_head, & timeout_request_body, & timeout_keepalive, & timeout_client_write,
      & timeout_proxy_header;
                                 // sluice_client_timeouts_total{phase=...}
  Counter& proxy_header_missing, & proxy_header_malformed, & proxy_header_untrusted;
                                 // sluice_proxy_header_rejections_total{reason=...}
  Counter& tls_renegotiation, & tls_key_updates, & tls_protocol;
                                 // sluice_tls_violations_total{reason=...} : after the handshake
  Counter& requests_1_0, & requests_1_1, & requests_2;
                                 // sluice_requests_by_protocol_total{protocol=...}
  Counter& held_rejected;        // sluice_held_bytes_rejections_total : slow peers cut because max_held_bytes was reached
  Gauge& held_bytes;             // sluice_held_bytes
  Histogram& loop_lag;           // sluice_event_loop_lag_seconds{worker}
 private:
  std::vector<Counter*> parse_errors_;  // sluice_parse_errors_total{reason}
};

}  // namespace sluice::metrics
