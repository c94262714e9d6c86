#include "metrics/connection_metrics.h"

#include <string>

namespace sluice::metrics {

namespace {

Labels worker_label(const Registry& registry, unsigned worker) {
  return {{"worker", worker == registry.workers() ? "control" : std::to_string(worker)}};
}

Counter& client_timeout(Registry& registry, unsigned worker, std::string_view phase) {
  return registry.counter(worker, "sluice_client_timeouts_total",
                          "Client connections ended because a phase took longer than its timeout, by phase.",
                          {{"phase", std::string(phase)}});
}

Counter& proxy_header(Registry& registry, unsigned worker, std::string_view reason) {
  return registry.counter(worker, "sluice_proxy_header_rejections_total",
                          "Connections closed for their PROXY header, or for the lack of one, by reason.",
                          {{"reason", std::string(reason)}});
}

Counter& tls_violation(Registry& registry, unsigned worker, std::string_view reason) {
  return registry.counter(worker, "sluice_tls_violations_total",
                          "Client connections ended for what their TLS carried after the handshake, by reason.",
                          {{"reason", std::string(reason)}});
}

Counter& requests(Registry& registry, unsigned worker, std::string_view protocol) {
  return registry.counter(worker, "sluice_requests_by_protocol_total", "Finished requests by the version of HTTP that the client spoke.",
                          {{"protocol", std::string(protocol)}});
}

Counter& refused(Registry& registry, unsigned worker, std::string_view limit) {
  return registry.counter(worker, "sluice_connections_refused_total",
                          "Client connections closed right after accepting them, by the limit they met.",
                          {{"reason", std::string(limit)}});
}

}  // namespace

ConnectionMetrics::ConnectionMetrics(Registry& registry, unsigned worker,
                                     const std::vector<std::string_view>& parse_errors)
    : accepted(registry.counter(worker, "sluice_connections_accepted_total",
                                "Client connections accepted, by worker.", worker_label(registry, worker))),
      open(registry.gauge(worker, "sluice_connections_open",
                          "Client connections that are open now, by worker.",
                          worker_label(registry, worker))),
      refused_limit(refused(registry, worker, "max_connections")),
      refused_client(refused(registry, worker, "max_connections_per_client")),
      accept_paused(registry.counter(worker, "sluice_accept_pauses_total",
                                     "Times that accepting paused because file descriptors ran out.")),
      timeout_tls_handshake(client_timeout(registry, worker, "tls_handshake")),
      timeout_request_head(client_timeout(registry, worker, "request_head")),
      timeout_request_body(client_timeout(registry, worker, "request_body")),
      timeout_keepalive(client_timeout(registry, worker, "keepalive")),
      timeout_client_write(client_timeout(registry, worker, "client_write")),
      timeout_proxy_header(client_timeout(registry, worker, "proxy_header")),
      proxy_header_missing(proxy_header(registry, worker, "missing")),
      proxy_header_malformed(proxy_header(registry, worker, "malformed")),
      proxy_header_untrusted(proxy_header(registry, worker, "untrusted")),
      tls_renegotiation(tls_violation(registry, worker, "renegotiation")),
      tls_key_updates(tls_violation(registry, worker, "key_updates")),
      tls_protocol(tls_violation(registry, worker, "protocol")),
      requests_1_0(requests(registry, worker, "1.0")),
      requests_1_1(requests(registry, worker, "1.1")),
      requests_2(requests(registry, worker, "2")),
      held_rejected(registry.counter(worker, "sluice_held_bytes_rejections_total",
                                     "Slow peers cut off because limits.max_held_bytes was reached.")),
      held_bytes(registry.gauge(worker, "sluice_held_bytes", "Bytes held in memory for slow peers now.")),
      loop_lag(registry.histogram(worker, "sluice_event_loop_lag_seconds",
                                  "How long a worker took to answer a question put to it every second, by worker.",
                                  kLatencyBounds, worker_label(registry, worker))) {
  parse_errors_.reserve(parse_errors.size());
  for (const std::string_view reason : parse_errors) {
    parse_errors_.push_back(
        &registry.counter(worker, "sluice_parse_errors_total",
                          "Requests from clients that were refused as malformed, by reason.",
                          {{"reason", std::string(reason)}}));
  }
}

}  // namespace sluice::metrics
