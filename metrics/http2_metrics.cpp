#include "metrics/http2_metrics.h"

#include <string>
#include <string_view>

namespace sluice::metrics {
namespace {

Counter& resets(Registry& registry, unsigned worker, std::string_view by) {
  return registry.counter(worker, "sluice_http2_streams_reset_total",
                          "HTTP/2 streams with clients that one side reset before both had ended, by that side.",
                          {{"by", std::string(by)}});
}

Counter& goaways(Registry& registry, unsigned worker, std::string_view reason) {
  return registry.counter(worker, "sluice_http2_goaways_total",
                          "HTTP/2 connections of clients that the gateway took its leave of, by reason.",
                          {{"reason", std::string(reason)}});
}

}  // namespace

Http2Metrics::Http2Metrics(Registry& registry, unsigned worker)
    : connections_open(registry.gauge(worker, "sluice_http2_connections_open", "HTTP/2 connections of clients that are open now.")),
      streams_open(registry.gauge(worker, "sluice_http2_streams_open", "HTTP/2 streams with clients that are open now.")),
      streams(registry.counter(worker, "sluice_http2_streams_total", "HTTP/2 streams that clients opened.")),
      reset_by_client(resets(registry, worker, "client")),
      reset_by_gateway(resets(registry, worker, "gateway")),
      goaway_drain(goaways(registry, worker, "drain")),
      goaway_idle(goaways(registry, worker, "idle")),
      goaway_timeout(goaways(registry, worker, "timeout")),
      goaway_violation(goaways(registry, worker, "violation")) {
  for (std::size_t i = 1; i < violations_.size(); ++i) {
    violations_[i] = &registry.counter(worker, "sluice_http2_violations_total",
                                       "Rules and limits of HTTP/2 that clients broke, by which: the connection or the request ended.",
                                       {{"reason", std::string(name_of(static_cast<Http2Violation>(i)))}});
  }
}

}  // namespace sluice::metrics
