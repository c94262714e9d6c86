#include "upstream/retry_budget.h"

namespace sluice::upstream {

bool RetryBudget::take(std::uint64_t under_way, Clock::time_point now) noexcept {
  if (!percent_) return true;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - looked_at_);
  looked_at_ += seconds;
  saved_ += static_cast<std::uint64_t>(std::max<std::int64_t>(seconds.count(), 0)) * kPerSecond * kRetry + requests_ * *percent_;
  requests_ = 0;
  saved_ = std::min(saved_, std::max(under_way, kFloor) * kRetry);
  if (saved_ < kRetry) return false;
  saved_ -= kRetry;
  return true;
}

}  // namespace sluice::upstream
