#include "metrics/upstream_metrics.h"

#include <string>

namespace sluice::metrics {

namespace {

Labels upstream_label(std::string_view upstream) { return {{"upstream", std::string(upstream)}}; }

Counter* handshakes(Registry& registry, unsigned worker, std::string_view upstream, const char* resumed) {
  return &registry.counter(worker, "sluice_upstream_tls_handshakes_total",
                           "TLS handshakes with endpoints that succeeded, by upstream and whether they resumed an earlier session.",
                           {{"upstream", std::string(upstream)}, {"resumed", resumed}});
}

Counter* full(Registry& registry, unsigned worker, std::string_view upstream, const char* bound) {
  return &registry.counter(worker, "sluice_upstream_full_total",
                           "Times that an endpoint was passed over since it had reached a bound of circuit_breaker, by upstream and bound.",
                           {{"upstream", std::string(upstream)}, {"bound", bound}});
}

}  // namespace

UpstreamMetrics::UpstreamMetrics(Registry& registry, unsigned worker, std::string_view upstream)
    : connect_seconds(
          registry.histogram(worker, "sluice_upstream_connect_seconds",
                             "Time to connect to an endpoint, TLS included; successful ones, by upstream.",
                             kLatencyBounds, upstream_label(upstream))),
      response_seconds(
          registry.histogram(worker, "sluice_upstream_response_seconds",
                             "Time from the request being sent to the response's head, by upstream.",
                             kLatencyBounds, upstream_label(upstream))),
      pool_hits(registry.counter(worker, "sluice_upstream_pool_hits_total",
                                 "Requests sent over a pooled connection, by upstream.",
                                 upstream_label(upstream))),
      pool_misses(registry.counter(worker, "sluice_upstream_pool_misses_total",
                                   "Requests that needed a new connection, by upstream.",
                                   upstream_label(upstream))),
      connections_open(registry.gauge(worker, "sluice_upstream_connections_open",
                                      "Connections to endpoints that are open now, by upstream.",
                                      upstream_label(upstream))),
      connections_idle(registry.gauge(worker, "sluice_upstream_connections_idle",
                                      "Connections that wait in the pool now, by upstream.",
                                      upstream_label(upstream))),
      http2_streams_open(registry.gauge(worker, "sluice_upstream_http2_streams_open",
                                        "Requests and WebSockets that are under way on HTTP/2 connections to endpoints now, by upstream.",
                                        upstream_label(upstream))),
      http2_tunnels_open(registry.gauge(worker, "sluice_upstream_http2_tunnels_open",
                                        "WebSockets on HTTP/2 connections to endpoints, open or being opened now, by upstream.",
                                        upstream_label(upstream))),
      retries(registry.counter(worker, "sluice_upstream_retries_total",
                               "Attempts after the first one of a request, by upstream.",
                               upstream_label(upstream))),
      retries_refused(registry.counter(worker, "sluice_upstream_retries_refused_total",
                                       "Attempts that were not made because retries.budget was used up, by upstream.",
                                       upstream_label(upstream))),
      bytes_sent(registry.counter(worker, "sluice_upstream_sent_bytes_total",
                                  "Bytes sent to endpoints, by upstream.", upstream_label(upstream))),
      bytes_received(registry.counter(worker, "sluice_upstream_received_bytes_total",
                                      "Bytes received from endpoints, by upstream.",
                                      upstream_label(upstream))),
      full_{full(registry, worker, upstream, "max_connections"), full(registry, worker, upstream, "max_pending"),
            full(registry, worker, upstream, "max_retries")},
      handshakes_full_(handshakes(registry, worker, upstream, "no")),
      handshakes_resumed_(handshakes(registry, worker, upstream, "yes")) {}

void UpstreamMetrics::register_failures(Registry& registry, unsigned worker, std::string_view upstream,
                                        const std::vector<std::string_view>& reasons) {
  failures_.clear();
  failures_.reserve(reasons.size());
  for (const std::string_view reason : reasons) {
    failures_.push_back(&registry.counter(
        worker, "sluice_upstream_failures_total", "Attempts that failed, by upstream and reason.",
        {{"upstream", std::string(upstream)}, {"reason", std::string(reason)}}));
  }
}

}  // namespace sluice::metrics
