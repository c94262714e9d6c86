// While it lives, the calling thread takes no signals, and a thread that it starts never does: those belong to the control thread.
// A thread that blocks them itself may be given one before it has come to that.
#pragma once

#include <pthread.h>

#include <csignal>

namespace sluice::metrics {

class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace sluice::metrics
