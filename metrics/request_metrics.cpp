#include "metrics/request_metrics.h"

#include <algorithm>
#include <string>

namespace sluice::metrics {

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(MethodLabel::count_)> kMethods = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "other"};

constexpr std::array<std::string_view, 7> kStatusNames = {"1xx", "2xx", "3xx", "4xx", "5xx", "499", "other"};
constexpr std::size_t kClientLeft = 5;
constexpr std::size_t kOtherStatus = 6;

std::size_t status_index(unsigned status) noexcept {
  if (status == 499) return kClientLeft;
  if (status < 100 || status > 599) return kOtherStatus;
  return status / 100 - 1;
}

}  // namespace

MethodLabel method_label(std::string_view method) noexcept {
  // Methods are case-sensitive (RFC 9110, 9.1): "get" is not GET.
  const auto known = std::find(kMethods.begin(), kMethods.end() - 1, method);
  return static_cast<MethodLabel>(known - kMethods.begin());
}

RequestMetrics::RequestMetrics(Registry& registry, unsigned worker, std::string_view route)
    : bytes_received(registry.counter(worker, "sluice_client_received_bytes_total",
                                      "Bytes of request bodies received from clients, by route.",
                                      {{"route", std::string(route)}})),
      bytes_sent(registry.counter(worker, "sluice_client_sent_bytes_total",
                                  "Bytes of response bodies sent to clients, by route.",
                                  {{"route", std::string(route)}})),
      duration_(
          registry.histogram(worker, "sluice_request_duration_seconds",
                             "Time from a request's first byte to the last byte of its response, by route.",
                             kLatencyBounds, {{"route", std::string(route)}})) {
  static_assert(kStatusNames.size() == kStatuses);
  for (std::size_t method = 0; method < requests_.size(); ++method) {
    for (std::size_t status = 0; status < kStatuses; ++status) {
      requests_[method][status] = &registry.counter(
          worker, "sluice_requests_total",
          "Finished requests by route, method and status class; 499: the client left first.",
          {{"route", std::string(route)},
           {"method", std::string(kMethods[method])},
           {"status", std::string(kStatusNames[status])}});
    }
  }
}

void RequestMetrics::count(MethodLabel method, unsigned status, double seconds) noexcept {
  requests_[static_cast<std::size_t>(method)][status_index(status)]->add();
  duration_.observe(seconds);
}

}  // namespace sluice::metrics
