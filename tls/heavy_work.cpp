#include "tls/heavy_work.h"

#include "tls/event_loop.h"

namespace sluice::tls {
namespace {

// Leaves the queue also when its coroutine is destroyed.
struct Place {
  Place(std::list<Waiter*>& all, Waiter& waiter) : queue(all), at(queue.insert(queue.end(), &waiter)) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { queue.erase(at); }

  std::list<Waiter*>& queue;
  std::list<Waiter*>::iterator at;
};

}  // namespace

Awaitable<> HeavyWork::wait() {
  Waiter waiter;
  const Place place(waiting_, waiter);
  next_turn_.request();
  co_await waiter.wait();
}

bool HeavyWork::take_share() noexcept {
  if (turn_ != loop_.turns()) {
    turn_ = loop_.turns();
    done_ = 0;
  }
  if (done_ == kMostInTurn) return false;
  ++done_;
  return true;
}

void HeavyWork::on_turn(void* context) {
  HeavyWork& work = *static_cast<HeavyWork*>(context);
  while (!work.waiting_.empty()) {
    work.next_turn_.request();  // also when what is woken throws
    if (!work.take_share()) return;
    work.waiting_.front()->wake();
  }
  work.next_turn_.cancel();
}

}  // namespace sluice::tls
