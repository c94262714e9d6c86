// The budget for bytes that wait in memory for slow peers: limits.max_held_bytes, all connections of the process together.
// Reached only when a socket did not take what was written to it, so fast connections never touch the shared counter.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::tls {

class HeldBytes {
 public:
  explicit HeldBytes(std::uint64_t limit) : limit_(limit) {}

  // False: the budget is spent and nothing was taken; the caller cuts that slow connection. Any thread.
  bool take(std::size_t bytes) noexcept {
    if (held_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit_) return true;
    held_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  void give_back(std::size_t bytes) noexcept { held_.fetch_sub(bytes, std::memory_order_relaxed); }
  std::uint64_t held() const noexcept { return held_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t limit_;
  alignas(64) std::atomic<std::uint64_t> held_{0};
};

}  // namespace sluice::tls
