#include "tls/heavy_work.h"

#include <algorithm>

#include "tls/event_loop.h"

namespace sluice::tls {

bool HeavyWork::begins_now() noexcept {
  if (!nobody_waits()) return false;
  if (turn_ != loop_.turns()) {
    turn_ = loop_.turns();
    begun_ = 0;
  }
  if (begun_ == kAtOnce) return false;
  ++begun_;
  return true;
}

void HeavyWork::on_turn(void* context) {
  HeavyWork& work = *static_cast<HeavyWork*>(context);
  const Clock::time_point began = Clock::now();
  const Clock::duration share = std::max<Clock::duration>(kLeastShare, (began - work.loop_.now()) / 2);
  do {
    work.serve_first();
  } while (!work.nobody_waits() && Clock::now() - began < share);
}

// What is woken may throw: the others keep their turn.
void HeavyWork::serve_first() {
  if (nobody_waits()) return;
  std::list<Place*>& queue = queue_of(queue_of(Kind::goes_on).empty() ? Kind::begins : Kind::goes_on);
  Place& first = *queue.front();
  queue.pop_front();
  first.come_ = true;
  if (!nobody_waits()) next_turn_.request();
  first.waiter_.wake();
}

HeavyWork::Place::Place(HeavyWork& work, Waiter& waiter, Kind kind) : work_(work), waiter_(waiter), kind_(kind) {
  std::list<Place*>& queue = work_.queue_of(kind_);
  at_ = queue.insert(queue.end(), this);
  work_.next_turn_.request();
}

HeavyWork::Place::~Place() {
  if (!come_) work_.queue_of(kind_).erase(at_);
}

}  // namespace sluice::tls
