// A place among a bounded number of things at an endpoint (`circuit_breaker`), held while this lives. Any thread; it keeps the
// endpoint's state alive and nothing else.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "config/values.h"

namespace sluice::upstream {

// What is bounded.
enum class Bound : std::uint8_t { connections, pending, repeats };

class Place {
 public:
  using Count = std::atomic<std::uint32_t>;

  // None: nothing is held.
  Place() = default;
  // One of `most`, or none when all are taken. Never one too many, whatever other threads do.
  static Place take(std::shared_ptr<Count> count, config::OptionalCount most) noexcept {
    std::uint32_t taken = count->load(std::memory_order_relaxed);
    do {
      if (most && taken >= *most) return {};
    } while (!count->compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
    return Place(std::move(count));
  }
  Place(Place&&) noexcept = default;
  Place& operator=(Place&& other) noexcept {
    if (this != &other) {
      give_back();
      count_ = std::move(other.count_);
    }
    return *this;
  }
  ~Place() { give_back(); }

  explicit operator bool() const noexcept { return count_ != nullptr; }
  void give_back() noexcept {
    if (count_) count_->fetch_sub(1, std::memory_order_relaxed);
    count_.reset();
  }

 private:
  explicit Place(std::shared_ptr<Count> count) noexcept : count_(std::move(count)) {}
  std::shared_ptr<Count> count_;
};

}  // namespace sluice::upstream
