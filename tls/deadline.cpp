#include "tls/deadline.h"

#include <algorithm>

namespace sluice::tls {

void Deadline::set_after(std::chrono::milliseconds delay) {
  at_ = Clock::now() + delay;
  // Its slot comes up in time and re-hangs it then; only a nearer deadline has to move now.
  if (link_ != nullptr && slot_at_ <= at_) return;
  unlink();
  wheel_.link(*this);
}

void Deadline::unlink() noexcept {
  if (link_ == nullptr) return;
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  link_ = nullptr;
  next_ = nullptr;
  --wheel_.linked_;
}

TimerWheel::~TimerWheel() {
  for (Deadline* deadline : slots_) {
    while (deadline != nullptr) {
      Deadline* next = deadline->next_;
      deadline->link_ = nullptr;
      deadline->next_ = nullptr;
      deadline = next;
    }
  }
}

void TimerWheel::link(Deadline& deadline) {
  if (stopped_) return;
  if (linked_ == 0 && !armed_) done_tick_ = tick_of(Clock::now());
  // One tick later than the tick it falls into, so that it never fires early; at most one turn ahead.
  const std::int64_t wanted = tick_of(deadline.at_) + 1;
  const std::int64_t tick = std::clamp<std::int64_t>(wanted, done_tick_ + 1, done_tick_ + static_cast<std::int64_t>(kSlots) - 1);
  deadline.slot_at_ = Clock::time_point(tick * kTick);
  Deadline** head = &slots_[static_cast<std::size_t>(tick) % kSlots];
  deadline.next_ = *head;
  if (*head != nullptr) (*head)->link_ = &deadline.next_;
  deadline.link_ = head;
  *head = &deadline;
  ++linked_;
  if (armed_ && tick >= armed_tick_) return;
  armed_ = true;
  armed_tick_ = tick;
}

// The next slot in which something hangs, so that an idle worker sleeps.
std::int64_t TimerWheel::next_tick() const {
  std::int64_t tick = done_tick_ + 1;
  while (slots_[static_cast<std::size_t>(tick) % kSlots] == nullptr) ++tick;
  return tick;
}

void TimerWheel::run(Clock::time_point now) {
  if (now < wakes_at()) return;
  const std::int64_t now_tick = tick_of(now);
  // After a long stall one turn looks at every slot.
  const std::int64_t first = std::max(done_tick_ + 1, now_tick - static_cast<std::int64_t>(kSlots) + 1);
  for (std::int64_t tick = first; tick <= now_tick; ++tick) {
    done_tick_ = tick;
    run_slot(static_cast<std::size_t>(tick) % kSlots, now);
  }
  armed_ = linked_ > 0 && !stopped_;
  if (armed_) armed_tick_ = next_tick();
}

void TimerWheel::run_slot(std::size_t slot, Clock::time_point now) {
  // Take the slot's list away first: callbacks may link into the slot again, or destroy neighbours in the list.
  Deadline* pending = slots_[slot];
  slots_[slot] = nullptr;
  if (pending != nullptr) pending->link_ = &pending;
  while (pending != nullptr) {
    Deadline& deadline = *pending;
    deadline.unlink();
    if (stopped_ || !deadline.is_set()) continue;
    if (deadline.at_ > now) {
      link(deadline);
      continue;
    }
    deadline.clear();
    try {
      deadline.expire_(deadline.context_);
    } catch (...) {  // the others in the list have their turn in the next tick
      put_back(pending);
      throw;
    }
  }
}

void TimerWheel::put_back(Deadline*& pending) {
  while (pending != nullptr) {
    Deadline& deadline = *pending;
    deadline.unlink();
    if (deadline.is_set()) link(deadline);
  }
}

}  // namespace sluice::tls
