// What one owner, such as a request's head that comes in pieces, has taken of the budget for slow peers;
// given back with it. Used by its worker's thread alone.
#pragma once

#include "tls/worker_io.h"

namespace sluice::tls {

class HeldShare {
 public:
  explicit HeldShare(WorkerIo& io) noexcept : io_(io) {}
  HeldShare(const HeldShare&) = delete;
  HeldShare& operator=(const HeldShare&) = delete;
  ~HeldShare() { give_back(); }

  // False: the budget is spent and nothing more was taken.
  bool take(std::size_t bytes) noexcept {
    if (!io_.held.take(bytes)) return false;
    io_.metrics.held_bytes.add(static_cast<std::int64_t>(bytes));
    size_ += bytes;
    return true;
  }
  // The same, but cuts those that are stalled for longest until there is enough.
  bool take_or_cut(std::size_t bytes) {
    if (!io_.take_held(bytes, nullptr)) return false;
    size_ += bytes;
    return true;
  }
  void give_back() noexcept { give_back(size_); }
  void give_back(std::size_t bytes) noexcept {  // of what was taken
    if (bytes == 0) return;
    io_.give_back_held(bytes);
    size_ -= bytes;
  }

 private:
  WorkerIo& io_;
  std::size_t size_ = 0;
};

}  // namespace sluice::tls
