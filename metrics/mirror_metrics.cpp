#include "metrics/mirror_metrics.h"

#include <string>

namespace sluice::metrics {
namespace {

Counter& requests(Registry& registry, unsigned worker, std::string_view route, const char* result) {
  return registry.counter(worker, "sluice_mirror_requests_total",
                          "Copies of requests sent to a route's mirror, by route and by whether it answered.",
                          {{"route", std::string(route)}, {"result", result}});
}

Counter& skipped(Registry& registry, unsigned worker, std::string_view route, const char* reason) {
  return registry.counter(worker, "sluice_mirror_skipped_total",
                          "Requests of which no copy was sent to the route's mirror although they were its share, by route and reason.",
                          {{"route", std::string(route)}, {"reason", reason}});
}

}  // namespace

MirrorMetrics::MirrorMetrics(Registry& registry, unsigned worker, std::string_view route)
    : answered(requests(registry, worker, route, "answered")),
      failed(requests(registry, worker, route, "failed")),
      skipped_body(skipped(registry, worker, route, "body")),
      skipped_unsent(skipped(registry, worker, route, "unsent")),
      skipped_busy(skipped(registry, worker, route, "busy")),
      skipped_memory(skipped(registry, worker, route, "memory")),
      in_flight(registry.gauge(worker, "sluice_mirror_in_flight", "Copies whose answer the mirror still owes, by route.",
                               {{"route", std::string(route)}})) {}

}  // namespace sluice::metrics
