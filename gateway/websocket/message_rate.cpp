#include "gateway/websocket/message_rate.h"

#include <algorithm>

namespace sluice::websocket {

std::uint32_t MessageRate::available(const MessageRateRule& rule, Clock::time_point now) const noexcept {
  if (full_at_ <= now) return rule.burst + static_cast<std::uint32_t>(std::min(now - full_at_, rule.slack) / rule.each);
  const Clock::duration missing = full_at_ - now;
  const std::int64_t taken = (missing + rule.each - Clock::duration(1)) / rule.each;
  return taken >= rule.burst ? 0 : rule.burst - static_cast<std::uint32_t>(taken);
}

void MessageRate::take(const MessageRateRule& rule, std::uint32_t count, Clock::time_point now) noexcept {
  full_at_ = std::max(full_at_, now - rule.slack) + rule.each * count;
}

}  // namespace sluice::websocket
