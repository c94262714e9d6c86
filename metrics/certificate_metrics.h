// When the listeners' certificates and their OCSP staples expire. The control thread's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "metrics/registry.h"

namespace sluice::metrics {

struct CertificateExpiry {
  std::string listener;
  std::string certificate;   // its file
  std::int64_t expires = 0;  // of it or its chain, whatever is first; seconds since the epoch
  std::int64_t staple_expires = 0;  // 0: none, or it does not say
};

class CertificateMetrics {
 public:
  explicit CertificateMetrics(Registry& registry) : registry_(registry) {}
  // Those of the configuration in force. One that is not served any more is told as 0.
  void set(const std::vector<CertificateExpiry>& certificates);
  // Those whose staple has expired by `now`, each once.
  std::vector<CertificateExpiry> take_expired_staples(std::int64_t now);

 private:
  Registry& registry_;
  std::vector<Gauge*> told_;
  std::vector<CertificateExpiry> stapled_;  // that have not expired, as far as was asked
};

}  // namespace sluice::metrics
