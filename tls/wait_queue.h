// Coroutines that wait for the same thing, first come first served. One is woken a turn of the event loop: it may take what the others
// wait for, or end what the caller belongs to. The queue outlives all waits. One worker's thread.
#pragma once

#include <list>
#include <optional>

#include "tls/awaitable.h"
#include "tls/cancellation.h"
#include "tls/deadline.h"
#include "tls/event_loop.h"
#include "tls/waiter.h"

namespace sluice::tls {

class WaitQueue {
 public:
  // All that one coroutine waits for here, until the time is over or it is called off: from then on it waits for nothing.
  class Bound {
   public:
    Bound(TimerWheel& wheel, std::optional<std::chrono::milliseconds> time, Cancellation& cancellation);
    const ErrorCode& stopped() const noexcept { return stopped_; }  // timed_out, or why it was called off

   private:
    friend class WaitQueue;
    void stop(ErrorCode reason);

    Waiter waiter_;
    ErrorCode stopped_;
    Deadline deadline_;
    Cancellation::Registration registration_;
  };

  explicit WaitQueue(EventLoop& loop) : next_turn_(loop, &WaitQueue::on_turn, this) {}
  // Returns after wake_all(), or when the bound has stopped it.
  Awaitable<> wait(Bound& bound);
  void wake_all() noexcept;
  std::size_t size() const noexcept { return waiting_.size(); }

 private:
  static void on_turn(void* queue);

  std::list<Bound*> waiting_;
  std::size_t to_wake_ = 0;  // of these
  NextTurn next_turn_;
};

}  // namespace sluice::tls
