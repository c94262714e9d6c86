// Timeouts without a timer each: a wheel per worker, and deadlines that hang in it. Moving a deadline further away (what
// every phase of every request does) is one store; the wheel looks at the real time point only when its slot comes up.
// Used by the worker's thread alone. Resolution: kTick; a deadline never fires early.
#pragma once

#include <array>

#include "tls/io_types.h"

namespace sluice::tls {

class TimerWheel;

// Calls `expire(context)` once when it is reached; it may be set again from there. Destroying or clearing it is always
// allowed. Address-stable while set. The callback must not destroy other objects' coroutines synchronously: it aborts a
// stream or wakes a waiter, and the owner unwinds.
class Deadline {
 public:
  using Expire = void (*)(void* context);
  Deadline(TimerWheel& wheel, Expire expire, void* context) : wheel_(wheel), expire_(expire), context_(context) {}
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { unlink(); }

  void set_after(std::chrono::milliseconds delay);
  // Absent: no limit.
  void set_after(const std::optional<std::chrono::milliseconds>& delay) { delay ? set_after(*delay) : clear(); }
  void clear() noexcept { at_ = Clock::time_point::max(); }
  bool is_set() const noexcept { return at_ != Clock::time_point::max(); }

 private:
  friend class TimerWheel;
  void unlink() noexcept;

  TimerWheel& wheel_;
  Expire expire_;
  void* context_;
  Clock::time_point at_ = Clock::time_point::max();
  Clock::time_point slot_at_ = Clock::time_point::max();  // when its slot will look at it
  Deadline* next_ = nullptr;
  Deadline** link_ = nullptr;  // what points at us; null: in no slot
};

class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds kTick{20};

  TimerWheel() { slots_.fill(nullptr); }
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();

  // When run() has something to do next; max(): never.
  Clock::time_point wakes_at() const noexcept {
    return armed_ ? Clock::time_point(armed_tick_ * kTick) : Clock::time_point::max();
  }
  // Fires what is due.
  void run(Clock::time_point now);
  // Deadlines never fire afterwards.
  void stop() noexcept { stopped_ = true; armed_ = false; }

 private:
  friend class Deadline;
  static constexpr std::size_t kSlots = 1024;  // 20 s a turn: most deadlines are looked at once or twice

  void link(Deadline& deadline);
  std::int64_t next_tick() const;
  void run_slot(std::size_t slot, Clock::time_point now);
  void put_back(Deadline*& pending);
  static std::int64_t tick_of(Clock::time_point at) { return at.time_since_epoch() / kTick; }

  std::array<Deadline*, kSlots> slots_;
  std::size_t linked_ = 0;
  std::int64_t done_tick_ = 0;  // every slot up to this tick has been looked at
  std::int64_t armed_tick_ = 0;  // the next one in which something hangs
  bool armed_ = false;
  bool stopped_ = false;
};

}  // namespace sluice::tls
