#include "metrics/tls_metrics.h"

#include <string>
#include <string_view>

namespace sluice::metrics {

namespace {

Counter& handshakes(Registry& registry, unsigned worker, std::string_view version, std::string_view result) {
  return registry.counter(worker, "sluice_tls_handshakes_total",
                          "TLS handshakes with clients by protocol version and result.",
                          {{"version", std::string(version)}, {"result", std::string(result)}});
}

}  // namespace

TlsMetrics::TlsMetrics(Registry& registry, unsigned worker)
    : ok_1_2(handshakes(registry, worker, "TLSv1.2", "ok")),
      ok_1_3(handshakes(registry, worker, "TLSv1.3", "ok")),
      failed(handshakes(registry, worker, "none", "failed")),
      timeout(handshakes(registry, worker, "none", "timeout")),
      certificate_missing(handshakes(registry, worker, "none", "certificate_missing")),
      certificate_rejected(handshakes(registry, worker, "none", "certificate_rejected")),
      resumed(registry.counter(worker, "sluice_tls_resumed_total",
                               "TLS handshakes with clients that resumed an earlier session.")),
      handshake_seconds(registry.histogram(worker, "sluice_tls_handshake_seconds",
                                           "Duration of successful TLS handshakes with clients.",
                                           kLatencyBounds)) {}

}  // namespace sluice::metrics
