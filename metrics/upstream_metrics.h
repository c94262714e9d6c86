// What is counted about one upstream: one set per worker and upstream.
#pragma once

#include <array>
#include <string_view>

#include "metrics/registry.h"

namespace sluice::metrics {

class UpstreamMetrics {
 public:
  UpstreamMetrics(Registry& registry, unsigned worker, std::string_view upstream);

  Histogram& connect_seconds;    // sluice_upstream_connect_seconds{upstream} : TCP and TLS, successful ones
  Histogram& response_seconds;   // sluice_upstream_response_seconds{upstream} : request sent to response head
  Counter& pool_hits;            // sluice_upstream_pool_hits_total{upstream}
  Counter& pool_misses;          // sluice_upstream_pool_misses_total{upstream}
  Gauge& connections_open;       // sluice_upstream_connections_open{upstream}
  Gauge& connections_idle;       // sluice_upstream_connections_idle{upstream}
  Gauge& http2_streams_open;     // sluice_upstream_http2_streams_open{upstream}
  Gauge& http2_tunnels_open;     // sluice_upstream_http2_tunnels_open{upstream} : of these, WebSockets
  Counter& retries;              // sluice_upstream_retries_total{upstream}
  Counter& retries_refused;      // sluice_upstream_retries_refused_total{upstream} : retries.budget was used up
  Counter& bytes_sent;           // sluice_upstream_sent_bytes_total{upstream}
  Counter& bytes_received;       // sluice_upstream_received_bytes_total{upstream}
  // sluice_upstream_full_total{upstream,bound}; `bound` is the index of that of circuit_breaker.
  void count_full(std::size_t bound) noexcept { full_[bound]->add(); }
  // sluice_upstream_tls_handshakes_total{upstream,resumed}; successful ones
  void count_handshake(bool resumed) noexcept { (resumed ? handshakes_resumed_ : handshakes_full_)->add(); }
  // sluice_upstream_failures_total{upstream,reason}; `reason` is the index of the failure code.
  void count_failure(std::size_t reason) noexcept { failures_[reason]->add(); }
  void register_failures(Registry& registry, unsigned worker, std::string_view upstream,
                         const std::vector<std::string_view>& reasons);

 private:
  std::array<Counter*, 3> full_;
  Counter* handshakes_full_;
  Counter* handshakes_resumed_;
  std::vector<Counter*> failures_;
};

}  // namespace sluice::metrics
