// What is counted about TLS handshakes with clients: one set per worker.
#pragma once

#include "metrics/registry.h"

namespace sluice::metrics {

class TlsMetrics {
 public:
  TlsMetrics(Registry& registry, unsigned worker);
  // sluice_tls_handshakes_total{version,result}: version "TLSv1.2", "TLSv1.3" or "none"; result "ok", "failed", "timeout", or of a
  // client's certificate "certificate_missing" and "certificate_rejected".
  Counter& ok_1_2, & ok_1_3, & failed, & timeout, & certificate_missing, & certificate_rejected;
  Counter& resumed;              // sluice_tls_resumed_total
  Histogram& handshake_seconds;  // sluice_tls_handshake_seconds
};

}  // namespace sluice::metrics
