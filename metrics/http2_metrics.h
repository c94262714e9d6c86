// What is counted about HTTP/2 with clients: one set per worker.
#pragma once

#include <array>

#include "metrics/http2_violation.h"
#include "metrics/registry.h"

namespace sluice::metrics {

class Http2Metrics {
 public:
  Http2Metrics(Registry& registry, unsigned worker);
  void count(Http2Violation violation) noexcept { violations_[static_cast<std::size_t>(violation)]->add(); }

  Gauge& connections_open;      // sluice_http2_connections_open
  Gauge& streams_open;          // sluice_http2_streams_open
  Counter& streams;             // sluice_http2_streams_total
  Counter& reset_by_client;     // sluice_http2_streams_reset_total{by="client"}
  Counter& reset_by_gateway;    // the same, {by="gateway"}
  // sluice_http2_goaways_total{reason}: once a connection, by what came first.
  Counter& goaway_drain, & goaway_idle, & goaway_timeout, & goaway_violation;

 private:
  // sluice_http2_violations_total{reason}. That of `none` is registered for nobody.
  std::array<Counter*, static_cast<std::size_t>(Http2Violation::count_)> violations_{};
};

}  // namespace sluice::metrics
