// Spreads a worker's heavy work, the steps of TLS handshakes with clients, over the turns of its event loop: when thousands come
// back at once, what goes on on open connections waits for a little of it, not for all. Owned by the loop, used by its thread alone.
//
// A few that come one by one begin at once. Those who have to wait have, all together, kLeastShare of each turn, or half of what the
// rest of it has taken: under load a third of the worker's time is theirs. Smaller shares make each handshake dearer, by 8 % with half of
// it and by 15 % with a fifth (200 clients that shake hands without pause; 2026-11, EPYC): it finds less of itself in the caches.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <list>

#include "tls/io_types.h"
#include "tls/next_turn.h"
#include "tls/waiter.h"

namespace sluice::tls {

class HeavyWork {
 public:
  static constexpr int kAtOnce = 16;  // in one turn, while nobody waits
  static constexpr std::chrono::milliseconds kLeastShare{1};

  explicit HeavyWork(EventLoop& loop) noexcept : loop_(loop), next_turn_(loop, &HeavyWork::on_turn, this) {}

  // Whether it may begin at once, and then it does; else it takes a Place.
  bool begins_now() noexcept;

  // What goes on with something is served before what begins: whose client has to wait again has been served in vain.
  enum class Kind : unsigned char { goes_on, begins };

  // In the queue, first come, first served, until its turn has come or it goes. The waiter is woken for the turn; who is woken for
  // anything else waits on.
  class Place {
   public:
    Place(HeavyWork& work, Waiter& waiter, Kind kind);
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place();
    bool turn_has_come() const noexcept { return come_; }

   private:
    friend class HeavyWork;
    HeavyWork& work_;
    Waiter& waiter_;
    const Kind kind_;
    bool come_ = false;
    std::list<Place*>::iterator at_;  // until then
  };

 private:
  static void on_turn(void* work);
  bool nobody_waits() const noexcept { return waiting_[0].empty() && waiting_[1].empty(); }
  std::list<Place*>& queue_of(Kind kind) noexcept { return waiting_[static_cast<std::size_t>(kind)]; }
  void serve_first();

  EventLoop& loop_;
  NextTurn next_turn_;  // requested while somebody waits
  std::array<std::list<Place*>, 2> waiting_;  // by Kind
  std::uint64_t turn_ = 0;  // the last one in which something began at once
  int begun_ = 0;           // in that turn
};

}  // namespace sluice::tls
