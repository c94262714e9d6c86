#include "upstream/slow_start.h"

#include <algorithm>

namespace sluice::upstream {

unsigned SlowStart::share(Clock::duration since_joining, Clock::duration over) noexcept {
  if (since_joining >= over) return kWhole;
  const double part = static_cast<double>(std::max(since_joining, Clock::duration::zero()).count()) / static_cast<double>(over.count());
  return kFirst + static_cast<unsigned>((kWhole - kFirst) * part);
}

unsigned SlowStart::share_of(const Endpoint& endpoint, Clock::time_point now) const noexcept {
  const Clock::rep joined = endpoint.state->joined_at.load(std::memory_order_relaxed);
  return joined == 0 ? kWhole : share(now.time_since_epoch() - Clock::duration(joined), *over_);
}

void SlowStart::look_at(std::span<const Endpoint> endpoints) noexcept {
  active_ = over_ && std::any_of(endpoints.begin(), endpoints.end(), [](const Endpoint& endpoint) {
              return endpoint.state->joined_at.load(std::memory_order_relaxed) != 0;
            });
}

void SlowStart::look_at(std::span<const Endpoint> endpoints, Clock::time_point now) noexcept {
  active_ = over_ && std::any_of(endpoints.begin(), endpoints.end(),
                                 [&](const Endpoint& endpoint) { return share_of(endpoint, now) < kWhole; });
}

bool SlowStart::spares(const Endpoint& endpoint, Clock::time_point now) {
  const unsigned share = share_of(endpoint, now);
  return share < kWhole && std::uniform_int_distribution<unsigned>(0, kWhole - 1)(random_) >= share;
}

}  // namespace sluice::upstream
