// Bounds retries to a share of the requests, so that they cannot multiply the load of a backend that fails under it. One per worker
// and upstream, used by its thread alone: a share of each worker's requests is the same share of all.
//
// Each request saves up its share of a retry, each second some more, so that few requests can be repeated as well. What is saved is
// bounded by what is under way (kFloor at least): an endpoint that dies fails many requests at once, and all may be repeated.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "tls/io_types.h"

namespace sluice::upstream {

class RetryBudget {
 public:
  static constexpr std::uint64_t kFloor = 50;     // retries
  static constexpr std::uint64_t kPerSecond = 5;

  // Absent: no bound.
  explicit RetryBudget(std::optional<unsigned> percent) noexcept : percent_(percent) {}

  // With what was saved up under the same share.
  void go_on(const RetryBudget& before) noexcept {
    requests_ = before.requests_;
    saved_ = before.saved_;
    looked_at_ = before.looked_at_;
  }
  void note_request() noexcept { ++requests_; }
  // Takes one retry. `under_way`: requests to the upstream now.
  bool take(std::uint64_t under_way, Clock::time_point now) noexcept;

 private:
  static constexpr std::uint64_t kRetry = 100;  // of what is saved: hundredths of retries

  const std::optional<unsigned> percent_;
  std::uint64_t requests_ = 0;  // since take() was last asked
  std::uint64_t saved_ = kFloor * kRetry;
  Clock::time_point looked_at_ = Clock::now();
};

}  // namespace sluice::upstream
