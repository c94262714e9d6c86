// How much a client may do on one HTTP/2 connection that is allowed and serves nobody: what makes work or answers for less than it costs
// to send. Token buckets that hold a burst and fill by the second; who empties one is ended with ENHANCE_YOUR_CALM. No I/O and no clock
// of its own; one connection owns it.
//
//   resets          RST_STREAM for a request whose answer is not complete, and each stream that the gateway resets for the client's fault:
//                   `rate`; at once what is allowed in a second, and all streams that the client may have open: it may give up all it has
//   idle frames     PING, SETTINGS, PRIORITY, GOAWAY, unknown types, frames without content, frames for streams that are closed:
//                   200/s, 1,000 at once, and 1 for each DATA frame that was sent: clients measure with PINGs how fast data comes; and
//                   1 for each request, which may bring its priority with it
//   window updates  100/s, 1,000 at once, 4 for each DATA frame that was sent, and 2 for each request: there are clients that open the
//                   window of each stream wider as they begin it, whether or not its answer has a body
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "config/values.h"
#include "metrics/http2_violation.h"

namespace sluice::http2 {

class Glitches {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Verdict = metrics::Http2Violation;  // none: it may go on

  // `resets` absent: as many as it likes.
  Glitches(const config::OptionalRate& resets, std::uint32_t max_streams) noexcept
      : limit_resets_(resets), resets_(resets ? of_resets(*resets, max_streams) : Bucket{}) {}

  Verdict reset(Time now) noexcept { return !limit_resets_ || resets_.take(now) ? Verdict::none : Verdict::max_resets; }
  Verdict idle_frame(Time now) noexcept {
    return use(earned_idle_frames_) || idle_frames_.take(now) ? Verdict::none : Verdict::idle_frames;
  }
  Verdict window_update(Time now) noexcept {
    return use(earned_updates_) || window_updates_.take(now) ? Verdict::none : Verdict::window_updates;
  }
  void data_sent() noexcept { earn(kUpdatesPerData); }
  void request_came() noexcept { earn(kUpdatesPerRequest); }

 private:
  static constexpr std::uint32_t kUpdatesPerData = 4;
  static constexpr std::uint32_t kUpdatesPerRequest = 2;
  // Who reads a window's worth of tiny frames late tells of all of them at once.
  static constexpr std::uint32_t kMostEarned = 100'000;

  struct Bucket {
    double burst = 0, per_second = 0;
    double left = burst;
    Time filled = {};  // last

    bool take(Time now) noexcept {
      if (filled != Time{}) left = std::min(burst, left + per_second * std::chrono::duration<double>(now - filled).count());
      filled = now;
      if (left < 1) return false;
      left -= 1;
      return true;
    }
  };

  static Bucket of_resets(const config::Rate& rate, std::uint32_t max_streams) noexcept {
    const double per_second = static_cast<double>(rate.times) / std::chrono::duration<double>(rate.in).count();
    return {.burst = max_streams + std::max(per_second, 1.0), .per_second = per_second};
  }

  void earn(std::uint32_t updates) noexcept {
    earned_updates_ = std::min(earned_updates_ + updates, kMostEarned);
    earned_idle_frames_ = std::min(earned_idle_frames_ + 1, kMostEarned);
  }

  static bool use(std::uint32_t& earned) noexcept {
    if (earned == 0) return false;
    --earned;
    return true;
  }

  bool limit_resets_;
  std::uint32_t earned_updates_ = 0;
  std::uint32_t earned_idle_frames_ = 0;
  Bucket resets_;
  Bucket idle_frames_{.burst = 1000, .per_second = 200};
  Bucket window_updates_{.burst = 1000, .per_second = 100};
};

}  // namespace sluice::http2
