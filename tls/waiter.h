// One coroutine waits here until somebody on the same thread wakes it. Not for other threads: those post().
// A wake that comes before the wait is remembered, so "start something, then wait for it" cannot hang.
#pragma once

#include "tls/io_types.h"

namespace sluice::tls {

class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // At most one coroutine at a time.
  Awaitable<> wait() {
    return asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(
        [this](auto&& handler) {
          handler_.emplace(std::forward<decltype(handler)>(handler));
          if (woken_) resume_later();
        },
        use_awaitable);
  }
  bool waiting() const noexcept { return handler_.has_value(); }

  // Resumes the coroutine before it returns: for completion handlers, which have nothing left to do.
  void wake_now() {
    if (!handler_) {
      woken_ = true;
      return;
    }
    Handler handler = std::move(*handler_);
    handler_.reset();
    woken_ = false;
    std::move(handler)();
  }

  // Resumes the coroutine from the event loop: for callers that are in the middle of something.
  void wake() {
    woken_ = true;
    if (handler_) resume_later();
  }

  // Forgets a wake that nobody waited for.
  void reset() noexcept { woken_ = false; }

 private:
  using Handler = asio::async_result<asio::use_awaitable_t<Executor>, void()>::handler_type;

  void resume_later() {
    Handler handler = std::move(*handler_);
    handler_.reset();
    woken_ = false;
    const Executor executor = handler.get_executor();
    asio::post(executor, std::move(handler));
  }

  std::optional<Handler> handler_;
  bool woken_ = false;
};

}  // namespace sluice::tls
