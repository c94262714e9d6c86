#include "tls/wait_queue.h"

#include "tls/stream_error.h"

namespace sluice::tls {

WaitQueue::Bound::Bound(TimerWheel& wheel, std::optional<std::chrono::milliseconds> time, Cancellation& cancellation)
    : deadline_(
          wheel, [](void* self) { static_cast<Bound*>(self)->stop(make_error_code(StreamError::timed_out)); }, this),
      registration_(
          cancellation, [](void* self, ErrorCode reason) { static_cast<Bound*>(self)->stop(reason); }, this) {
  deadline_.set_after(time);
}

void WaitQueue::Bound::stop(ErrorCode reason) {
  if (stopped_) return;
  stopped_ = reason;
  waiter_.wake();
}

Awaitable<> WaitQueue::wait(Bound& bound) {
  if (bound.stopped_) co_return;
  waiting_.push_back(&bound);
  co_await bound.waiter_.wait();
  if (bound.stopped_) waiting_.remove(&bound);  // else on_turn() has taken it off, and looking would cost each of many all the others
}

void WaitQueue::wake_all() noexcept {
  to_wake_ = waiting_.size();
  if (to_wake_ > 0) next_turn_.request();
}

void WaitQueue::on_turn(void* queue) {
  WaitQueue& self = *static_cast<WaitQueue*>(queue);
  if (self.to_wake_ == 0 || self.waiting_.empty()) return;
  if (--self.to_wake_ > 0) self.next_turn_.request();
  Bound& first = *self.waiting_.front();
  self.waiting_.pop_front();
  first.waiter_.wake();
}

}  // namespace sluice::tls
