// Spreads a worker's heavy work, the steps of TLS handshakes, over the turns of its event loop: when thousands of clients come back at
// once, what goes on on open connections waits for a few of these steps, not for all of them. Owned by the loop, used by its thread
// alone.
#pragma once

#include <cstdint>
#include <list>

#include "tls/awaitable.h"
#include "tls/next_turn.h"
#include "tls/waiter.h"

namespace sluice::tls {

class HeavyWork {
 public:
  // Steps in one turn: a handshake takes two, of 0.2 ms together with ECDSA and 0.8 with RSA.
  static constexpr int kMostInTurn = 4;

  explicit HeavyWork(EventLoop& loop) noexcept : loop_(loop), next_turn_(loop, &HeavyWork::on_turn, this) {}

  // Whether a step may be made at once. If not, it may be after wait().
  bool may_begin() noexcept { return waiting_.empty() && take_share(); }
  // First come, first served.
  Awaitable<> wait();

 private:
  static void on_turn(void* work);
  bool take_share() noexcept;

  EventLoop& loop_;
  NextTurn next_turn_;
  std::list<Waiter*> waiting_;
  std::uint64_t turn_ = 0;  // the last one with such work
  int done_ = 0;            // in that turn
};

}  // namespace sluice::tls
