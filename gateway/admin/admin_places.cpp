#include "gateway/admin/admin_places.h"

#include <utility>

namespace sluice::admin {

AdminPlaces::Place::Place(std::shared_ptr<AdminPlaces> places, std::function<void()> close)
    : places_(std::move(places)), close_(std::move(close)) {
  places_->make_room();
  std::list<Place*>& waiting = places_->in(phase_);
  position_ = waiting.insert(waiting.end(), this);
}

AdminPlaces::Place::~Place() { leave(); }

void AdminPlaces::Place::enter(Phase phase) {
  if (taken_away_) return;
  std::list<Place*>& to = places_->in(phase);
  to.splice(to.end(), places_->in(phase_), position_);
  phase_ = phase;
}

void AdminPlaces::Place::leave() {
  if (!taken_away_) places_->in(phase_).erase(position_);
  taken_away_ = true;
}

std::size_t AdminPlaces::taken() const noexcept {
  std::size_t sum = 0;
  for (const std::list<Place*>& phase : phases_) sum += phase.size();
  return sum;
}

void AdminPlaces::make_room() {
  if (taken() < most_) return;
  for (const std::list<Place*>& phase : phases_) {
    if (phase.empty()) continue;
    Place& longest = *phase.front();
    longest.leave();
    longest.close_();
    return;
  }
}

}  // namespace sluice::admin
