// What is counted about requests: one set per worker and route, registered when the route's configuration is built.
#pragma once

#include <array>
#include <string_view>

#include "metrics/registry.h"

namespace sluice::metrics {

// Methods a label may have; every other one counts as `other`.
enum class MethodLabel : std::uint8_t { get, head, post, put, delete_, patch, options, other, count_ };
MethodLabel method_label(std::string_view method) noexcept;

class RequestMetrics {
 public:
  // `route`: the route's name, or "none" for requests that matched none or could not be read.
  RequestMetrics(Registry& registry, unsigned worker, std::string_view route);
  // Once per finished request, with what was sent (499: the client left first).
  void count(MethodLabel method, unsigned status, double seconds) noexcept;

  Counter& bytes_received;  // sluice_client_received_bytes_total{route} : request bodies
  Counter& bytes_sent;      // sluice_client_sent_bytes_total{route} : response bodies

 private:
  // sluice_requests_total{route,method,status}: status "1xx" to "5xx", "499" apart from "4xx", or "other". Cells are made at
  // construction, so that counting never locks.
  static constexpr std::size_t kStatuses = 7;
  std::array<std::array<Counter*, kStatuses>, static_cast<std::size_t>(MethodLabel::count_)> requests_;
  Histogram& duration_;     // sluice_request_duration_seconds{route}
};

}  // namespace sluice::metrics
