// How many messages a second came lately, in one direction of one tunnel: of the last five to ten seconds. Twelve bytes, no timer.
// Used by one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "tls/io_types.h"

namespace sluice::websocket {

class RateMeter {
 public:
  static constexpr std::chrono::seconds kWindow{5};

  void add(std::uint64_t messages, Clock::time_point now) noexcept {
    move_to(index_of(now));
    current_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(current_ + messages, UINT32_MAX));
  }

  // Since kWindow, or since it began if that was later. Of the window before the one that is under way counts so much as still lies
  // in that time, as if its messages had come evenly.
  double per_second(Clock::time_point now, Clock::time_point begun) const noexcept {
    RateMeter moved = *this;
    moved.move_to(index_of(now));
    using Seconds = std::chrono::duration<double>;
    const double under_way = Seconds(now.time_since_epoch() % kWindow).count() / Seconds(kWindow).count();
    const double messages = moved.current_ + moved.before_ * (1 - under_way);
    // One that is younger than a second has said too little for more.
    const double seconds = std::clamp(Seconds(now - begun).count(), 1.0, Seconds(kWindow).count());
    return messages / seconds;
  }

 private:
  static std::uint32_t index_of(Clock::time_point time) noexcept {
    return static_cast<std::uint32_t>(time.time_since_epoch() / kWindow);
  }
  void move_to(std::uint32_t window) noexcept {
    if (window == window_) return;
    before_ = window == window_ + 1 ? current_ : 0;
    current_ = 0;
    window_ = window;
  }

  std::uint32_t window_ = 0;   // which one is under way, counted from the clock's beginning
  std::uint32_t current_ = 0;  // messages in it
  std::uint32_t before_ = 0;   // and in the one before
};

}  // namespace sluice::websocket
