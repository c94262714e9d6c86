// One coroutine waits here until somebody on the same thread wakes it. Not for other threads: those post().
// A wake that comes before the wait is remembered, so "start something, then wait for it" cannot hang.
// A coroutine that still waits when the waiter goes is never resumed: whoever spawned it must have ended it before.
#pragma once

#include <coroutine>
#include <utility>

namespace sluice::tls {

class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // What wait() gives to co_await. At most one coroutine at a time.
  struct Wait {
    Waiter& waiter;
    bool await_ready() const noexcept { return std::exchange(waiter.woken_, false); }
    void await_suspend(std::coroutine_handle<> coroutine) const noexcept { waiter.waiting_ = coroutine; }
    void await_resume() const noexcept {}
  };
  Wait wait() noexcept { return {*this}; }
  bool waiting() const noexcept { return static_cast<bool>(waiting_); }

  // Resumes the coroutine before it returns, so it is the last thing that a caller does: the coroutine may end what the
  // caller belongs to.
  void wake() {
    if (!waiting_) {
      woken_ = true;
      return;
    }
    std::exchange(waiting_, nullptr).resume();
  }

  // Forgets a wake that nobody waited for.
  void reset() noexcept { woken_ = false; }

 private:
  std::coroutine_handle<> waiting_;
  bool woken_ = false;
};

}  // namespace sluice::tls
