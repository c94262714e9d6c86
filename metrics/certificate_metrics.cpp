#include "metrics/certificate_metrics.h"

#include <algorithm>

namespace sluice::metrics {
namespace {

Labels labels_of(const CertificateExpiry& one) { return {{"listener", one.listener}, {"certificate", one.certificate}}; }

Gauge& certificate_gauge(Registry& registry, const CertificateExpiry& one) {
  return registry.gauge(registry.workers(), "sluice_tls_certificate_expiry_timestamp_seconds",
                        "When a listener's certificate or its chain expires, in seconds since the epoch; 0: it is not served any more.",
                        labels_of(one));
}

Gauge& staple_gauge(Registry& registry, const CertificateExpiry& one) {
  return registry.gauge(registry.workers(), "sluice_tls_ocsp_expiry_timestamp_seconds",
                        "When the OCSP staple of a listener's certificate expires, in seconds since the epoch; 0: there is none any more.",
                        labels_of(one));
}

}  // namespace

void CertificateMetrics::set(const std::vector<CertificateExpiry>& certificates) {
  for (Gauge* gauge : told_) gauge->set(0);
  told_.clear();
  stapled_.clear();
  const auto tell = [this](Gauge& gauge, std::int64_t time) {
    gauge.set(time);
    told_.push_back(&gauge);
  };
  for (const CertificateExpiry& one : certificates) {
    tell(certificate_gauge(registry_, one), one.expires);
    if (one.staple_expires == 0) continue;
    tell(staple_gauge(registry_, one), one.staple_expires);
    stapled_.push_back(one);
  }
}

std::vector<CertificateExpiry> CertificateMetrics::take_expired_staples(std::int64_t now) {
  const auto lasts = [now](const CertificateExpiry& one) { return one.staple_expires > now; };
  const auto first = std::stable_partition(stapled_.begin(), stapled_.end(), lasts);
  std::vector<CertificateExpiry> expired(first, stapled_.end());
  stapled_.erase(first, stapled_.end());
  return expired;
}

}  // namespace sluice::metrics
