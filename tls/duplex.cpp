// What a Duplex keeps for a peer that does not take it.
#include "tls/duplex.h"

namespace sluice::tls {

bool Duplex::make_room(std::size_t size) {
  overflow_.reserve(overflow_.size() + size);
  const bool first = overflow_.empty();
  if (first) stalled_place_ = io_.stalled.add(*this);
  if (io_.take_held(size, this)) return true;
  if (first) io_.stalled.remove(stalled_place_);
  io_.metrics.held_rejected.add();
  return false;
}

void Duplex::keep(std::string_view bytes) noexcept {
  overflow_.append(bytes);
  kept_ += bytes.size();
  io_.stalled.grown(stalled_place_, overflow_.size());
}

void Duplex::kept_left(std::size_t size) noexcept {
  kept_ -= size;
  forget_what_left();
  io_.stalled.taken(stalled_place_, overflow_.size());
}

// Moving the rest costs no more than sending the other half did. Its memory goes, too: who takes all but a byte holds no more than that.
void Duplex::forget_what_left() noexcept {
  const std::size_t left = overflow_.size() - kept_;
  if (kept_ == 0 || left < kept_ || overflow_.size() <= StalledPeers::kLittle) return;
  overflow_.erase(0, left);
  overflow_.shrink_to_fit();
  io_.give_back_held(left);
}

void Duplex::forget_kept() noexcept {
  if (overflow_.empty()) return;
  io_.stalled.remove(stalled_place_);
  io_.give_back_held(overflow_.size());
  std::string().swap(overflow_);  // assigning would keep the memory
  kept_ = 0;
}

}  // namespace sluice::tls
