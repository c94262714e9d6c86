// How fast one client's messages may come: a token bucket, told by when it will be full. No I/O. One tunnel owns it.
#pragma once

#include "tls/io_types.h"

namespace sluice::websocket {

struct MessageRateRule {
  enum class Action : std::uint8_t {
    close,  // 1008
    delay,  // reading stops until the next one may come
  };
  Clock::duration each{};    // one may come in this time
  std::uint32_t burst = 1;   // so many at once after a pause
  Clock::duration slack{};   // who waits is let go on at a tick of the clock: so much later than it might, which is not lost
  Action action = Action::close;
};

class MessageRate {
 public:
  // How many may come now.
  std::uint32_t available(const MessageRateRule& rule, Clock::time_point now) const noexcept;
  void take(const MessageRateRule& rule, std::uint32_t count, Clock::time_point now) noexcept;
  // When the next one may come; in the past: it may now.
  Clock::time_point next(const MessageRateRule& rule) const noexcept { return full_at_ - rule.each * (rule.burst - 1); }

 private:
  Clock::time_point full_at_{};
};

}  // namespace sluice::websocket
