// The budget for bytes that wait in memory for slow peers: limits.max_held_bytes, all connections of the process together.
// Reached only when a socket did not take what was written to it, or a head did not come in one piece, so fast connections never
// touch the shared counter.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::tls {

class HeldBytes {
 public:
  explicit HeldBytes(std::uint64_t limit) : limit_(limit) {}

  // False: the budget is spent and nothing was taken; the caller cuts a slow connection. Any thread.
  bool take(std::size_t bytes) noexcept {
    std::uint64_t held = held_.load(std::memory_order_relaxed);
    do {
      if (held + bytes > limit_) return false;
    } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
    return true;
  }
  // Whether there is enough when nobody else holds anything.
  bool could_take(std::size_t bytes) const noexcept { return bytes <= limit_; }
  void give_back(std::size_t bytes) noexcept { held_.fetch_sub(bytes, std::memory_order_relaxed); }
  std::uint64_t held() const noexcept { return held_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t limit_;
  alignas(64) std::atomic<std::uint64_t> held_{0};
};

}  // namespace sluice::tls
