// Whether one side of a tunnel is still there: when it is asked with a Ping (RFC 6455 5.5.2), and when silence means that it is gone.
// A side that is gone is known within interval + timeout, unless a Ping cannot be put in, within a frame that does not end, or what
// the side says is not read, because the other one is slow. No I/O. One tunnel owns it.
//
// Whatever comes after the Ping is a sign of life, not the Pong alone: a side that sends a long message answers after it, and of two
// Pings it may answer the later one only (5.5.3). One that has yet to take what lies in front of the Ping is given time as long as it
// takes some.
#pragma once

#include "tls/io_types.h"

namespace sluice::websocket {

struct PingRule {
  std::chrono::milliseconds interval{0};
  std::chrono::milliseconds timeout{0};   // not longer than the interval
  bool client = false;  // who is asked
  bool upstream = false;
};

// What has gone to and come from the side.
struct SignsOfLife {
  std::uint64_t received = 0;      // bytes
  std::uint64_t acknowledged = 0;  // bytes that its system has taken
  bool all_acknowledged = true;    // nothing of what was sent is under way
};

class KeepAlive {
 public:
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  // Until it is called, the side is never asked. It is asked for the first time at `first`.
  void begin(Clock::time_point first) noexcept { due_ = first; }
  void end() noexcept { due_ = kNever; }

  // When step() has something to do.
  Clock::time_point due() const noexcept { return due_; }
  enum class Step : std::uint8_t { wait, ask, gone };
  // Called when it is due. ask: asked() or postpone() has to follow.
  Step step(const PingRule& rule, const SignsOfLife& signs, Clock::time_point now) noexcept;
  // A Ping has gone out: ours, or the other side's. None: it would only wait behind what the side has yet to take, which it shall
  // begin to take now.
  enum class Ping : std::uint8_t { none, ours, others };
  void asked(Ping ping, const PingRule& rule, const SignsOfLife& signs, Clock::time_point now) noexcept;
  // It cannot be asked, or not be heard, now.
  void postpone(const PingRule& rule, Clock::time_point now) noexcept { due_ = now + rule.timeout; }
  // Our last Ping was answered, perhaps after other signs of life. How long that took.
  Clock::duration answered(const PingRule& rule, Clock::time_point now) noexcept;

 private:
  Clock::time_point due_ = kNever;
  Clock::time_point asked_at_{};  // unset: nothing is awaited
  Clock::time_point pinged_at_{}; // our last Ping
  bool backlog_ = false;          // Ping::none
  std::uint64_t received_ = 0;    // at the time of the Ping
  std::uint64_t acknowledged_ = 0;
};

}  // namespace sluice::websocket
