// Spares endpoints that have joined (`slow_start`): of what the balancer would give one, it gets a share that grows with time, and
// the rest goes to others. So it holds for every policy, however little there is to do. One instance per worker and upstream, used by
// its thread alone.
#pragma once

#include <random>
#include <span>

#include "tls/io_types.h"
#include "upstream/endpoint.h"

namespace sluice::upstream {

class SlowStart {
 public:
  // Shares are counted in thousandths.
  static constexpr unsigned kWhole = 1000;
  static constexpr unsigned kFirst = 100;  // of an endpoint that has just joined

  // `over`: absent, nobody is spared.
  explicit SlowStart(config::OptionalDuration over) noexcept : over_(over) {}

  static unsigned share(Clock::duration since_joining, Clock::duration over) noexcept;

  // Whether an endpoint may have to be spared: false means that there is nothing to ask, not even the time.
  bool active() const noexcept { return active_; }
  // One of them may have joined.
  void look_at(std::span<const Endpoint> endpoints) noexcept;
  // The same with the time: those that have joined long ago are whole.
  void look_at(std::span<const Endpoint> endpoints, Clock::time_point now) noexcept;
  // Whether a request that would go to it is for others instead; by chance.
  bool spares(const Endpoint& endpoint, Clock::time_point now);

 private:
  unsigned share_of(const Endpoint& endpoint, Clock::time_point now) const noexcept;

  config::OptionalDuration over_;
  bool active_ = false;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace sluice::upstream
