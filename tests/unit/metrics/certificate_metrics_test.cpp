#include "metrics/certificate_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::metrics {
namespace {

std::vector<std::string> names(const std::vector<CertificateExpiry>& certificates) {
  std::vector<std::string> names;
  for (const CertificateExpiry& one : certificates) names.push_back(one.certificate);
  return names;
}

TEST(CertificateMetrics, StaplesThatExpireAreToldOfOnce) {
  Registry registry(1);
  CertificateMetrics metrics(registry);
  metrics.set({{"web", "a.pem", 900, 100}, {"web", "none.pem", 900, 0}, {"web", "b.pem", 900, 200}});
  EXPECT_THAT(names(metrics.take_expired_staples(99)), ::testing::IsEmpty());
  EXPECT_THAT(names(metrics.take_expired_staples(100)), ::testing::ElementsAre("a.pem"));
  EXPECT_THAT(names(metrics.take_expired_staples(199)), ::testing::IsEmpty());
  metrics.set({{"web", "a.pem", 900, 300}});
  EXPECT_THAT(names(metrics.take_expired_staples(299)), ::testing::IsEmpty()) << "the others are not served any more";
  EXPECT_THAT(names(metrics.take_expired_staples(500)), ::testing::ElementsAre("a.pem"));
}

}  // namespace
}  // namespace sluice::metrics
