// Frames of one tunnel on their way to somebody who looks at them: what passed is put in by the tunnel's worker and taken out by the
// control thread. Bounded: whoever takes too slowly misses frames, and the tunnel never waits. Both threads may call everything.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "gateway/websocket/frame.h"
#include "metrics/websocket_metrics.h"

namespace sluice::websocket {

// One frame as its header says, with the beginning of its payload where that may be shown.
struct TappedFrame {
  std::chrono::system_clock::time_point time;
  metrics::Party sender = metrics::Party::client;
  Opcode opcode = Opcode::text;
  bool final = false;
  std::uint8_t reserved_bits = 0;  // as in FrameHeader
  bool masked = false;
  bool compressed = false;    // part of a message that permessage-deflate has compressed
  std::uint64_t length = 0;   // of the payload on the wire
  std::optional<std::string> payload = {};  // unmasked, at most TapQueue::kMostPayload of it; nothing: it is not to be shown
};

class TapQueue {
 public:
  static constexpr std::size_t kMostPayload = 4096;
  static constexpr std::size_t kMostFrames = 1000;      // that wait to be taken
  static constexpr std::size_t kMostBytes = 1024 * 1024;  // of their payloads

  // `wake` is called, on the worker's thread, when there is something to be taken and it was asked for in vain before.
  explicit TapQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  void put(TappedFrame frame);
  // The tunnel has ended.
  void end();

  struct Taken {
    std::deque<TappedFrame> frames;
    std::uint64_t missed = 0;  // after them, because nobody took these
    bool ended = false;        // and there is nothing after that
  };
  Taken take();
  // Nobody looks any more: the tunnel is to let go of it when it comes by.
  void leave() noexcept { left_.store(true, std::memory_order_relaxed); }
  bool left() const noexcept { return left_.load(std::memory_order_relaxed); }

 private:
  const std::function<void()> wake_;
  std::atomic<bool> left_{false};
  std::mutex mutex_;
  Taken waiting_;
  std::size_t bytes_ = 0;
  bool wanted_ = false;
};

}  // namespace sluice::websocket
