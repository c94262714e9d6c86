// Who holds a place on the admin listener, and who gives it up when all are taken: all connections count, whatever they
// do. Used on the control thread.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>

namespace sluice::admin {

class AdminPlaces {
 public:
  // What a connection is about, in the order in which places are given up: one that lingers has its answer, one that
  // has asked nothing may never do so.
  enum class Phase : std::size_t { lingering, waiting, sending };

  // One connection's, as long as it lives. Begins by waiting for the request.
  class Place {
   public:
    // When all places are taken, the one that has been for longest in the first of the phases is taken away: its
    // `close` is called.
    Place(std::shared_ptr<AdminPlaces> places, std::function<void()> close);
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place();

    void enter(Phase phase);

   private:
    friend class AdminPlaces;
    void leave();

    // Shared: connections may end after the listener.
    std::shared_ptr<AdminPlaces> places_;
    std::function<void()> close_;
    Phase phase_ = Phase::waiting;
    std::list<Place*>::iterator position_;
    bool taken_away_ = false;
  };

  explicit AdminPlaces(std::size_t most) : most_(most) {}
  std::size_t taken() const noexcept;

 private:
  void make_room();
  std::list<Place*>& in(Phase phase) noexcept { return phases_[static_cast<std::size_t>(phase)]; }

  const std::size_t most_;
  std::array<std::list<Place*>, 3> phases_;  // by Phase; the longest there first
};

}  // namespace sluice::admin
