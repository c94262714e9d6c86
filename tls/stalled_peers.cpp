#include "tls/stalled_peers.h"

namespace sluice::tls {

StalledPeers::Place StalledPeers::add(Duplex& peer) { return little_.entries.insert(little_.entries.end(), {&peer, 0}); }

void StalledPeers::grown(Place place, std::size_t kept) noexcept {
  Group& before = note(place, kept);
  Group& now = group_of(kept);
  if (&before != &now) now.entries.splice(now.entries.end(), before.entries, place);
}

void StalledPeers::taken(Place place, std::size_t kept) noexcept {
  Group& before = note(place, kept);
  Group& now = group_of(kept);
  now.entries.splice(now.entries.end(), before.entries, place);
}

void StalledPeers::remove(Place place) noexcept { note(place, 0).entries.erase(place); }

Duplex* StalledPeers::first_to_cut() const noexcept {
  const Group& group = much_.kept >= little_.kept && !much_.entries.empty() ? much_ : little_;
  return group.entries.empty() ? nullptr : group.entries.front().peer;
}

StalledPeers::Group& StalledPeers::note(Place place, std::size_t kept) noexcept {
  Group& before = group_of(place->kept);
  before.kept -= place->kept;
  group_of(kept).kept += kept;
  place->kept = kept;
  return before;
}

}  // namespace sluice::tls
