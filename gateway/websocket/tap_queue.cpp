#include "gateway/websocket/tap_queue.h"

#include <utility>

namespace sluice::websocket {

void TapQueue::put(TappedFrame frame) {
  bool wakes = false;
  {
    const std::lock_guard lock(mutex_);
    const std::size_t size = frame.payload ? frame.payload->size() : 0;
    // Once one was missed, so are all until somebody comes: what is taken is a run without holes.
    if (waiting_.missed > 0 || waiting_.frames.size() >= kMostFrames || bytes_ + size > kMostBytes) {
      ++waiting_.missed;
    } else {
      bytes_ += size;
      waiting_.frames.push_back(std::move(frame));
    }
    wakes = std::exchange(wanted_, false);
  }
  if (wakes) wake_();
}

void TapQueue::end() {
  bool wakes = false;
  {
    const std::lock_guard lock(mutex_);
    waiting_.ended = true;
    wakes = std::exchange(wanted_, false);
  }
  if (wakes) wake_();
}

TapQueue::Taken TapQueue::take() {
  const std::lock_guard lock(mutex_);
  bytes_ = 0;
  Taken taken = std::exchange(waiting_, {});
  waiting_.ended = taken.ended;
  wanted_ = taken.frames.empty() && taken.missed == 0 && !taken.ended;
  return taken;
}

}  // namespace sluice::websocket
