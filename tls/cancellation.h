// How an exchange is called off while it waits for something that is not its own stream to end: whoever starts such a wait
// registers how to stop it; cancel() stops what is registered and refuses what would be registered later.
// One worker's thread. One wait is registered at a time: an exchange does one thing after the other.
#pragma once

#include "tls/io_types.h"

namespace sluice::tls {

class Cancellation {
 public:
  using Stop = void (*)(void* context, ErrorCode reason);
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // Whoever waits may be resumed before it returns, and end the caller.
  void cancel(ErrorCode reason) {
    if (reason_) return;
    reason_ = reason;
    if (stop_ != nullptr) stop_(context_, reason);
  }
  const ErrorCode& reason() const noexcept { return reason_; }

  // While it lives, cancel() calls `stop`. If it is cancelled already, `stop` is called at once.
  class Registration {
   public:
    Registration(Cancellation& owner, Stop stop, void* context) : owner_(owner) {
      owner_.stop_ = stop;
      owner_.context_ = context;
      if (owner_.reason_) stop(context, owner_.reason_);
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() { owner_.stop_ = nullptr; }

   private:
    Cancellation& owner_;
  };

 private:
  Stop stop_ = nullptr;
  void* context_ = nullptr;
  ErrorCode reason_;
};

}  // namespace sluice::tls
