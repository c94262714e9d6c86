// One worker's peers for whom something is kept because they do not take it, in the order in which they are cut when
// limits.max_held_bytes is reached. Owned by WorkerIo, used by its worker's thread alone.
//
// Who has taken nothing for longest is cut first, of those for whom much is kept while these together have more, else of those with
// little: a message that waits for its turn on a connection that others fill is not what the memory went into, and to cut its
// tunnel would give none back. Many with little are as good as a few with much. What is kept counts as limits.max_held_bytes counts it.
#pragma once

#include <cstddef>
#include <list>

namespace sluice::tls {

class Duplex;

class StalledPeers {
 public:
  // More than this, in bytes, is much.
  static constexpr std::size_t kLittle = 4 * 1024;

  struct Entry {
    Duplex* peer;
    std::size_t kept;
  };
  using Place = std::list<Entry>::iterator;  // good until remove()

  // Nothing is kept for it yet.
  Place add(Duplex& peer);
  // More than before, which says nothing of when it took something. Who comes to have much by that is the last of those.
  void grown(Place place, std::size_t kept) noexcept;
  // It has taken something just now.
  void taken(Place place, std::size_t kept) noexcept;
  void remove(Place place) noexcept;

  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept { return little_.entries.size() + much_.entries.size(); }
  // Null when there is none.
  Duplex* first_to_cut() const noexcept;

 private:
  struct Group {
    std::list<Entry> entries;  // the first one has taken nothing for longest
    std::size_t kept = 0;      // of all
  };

  Group& group_of(std::size_t kept) noexcept { return kept > kLittle ? much_ : little_; }
  Group& note(Place place, std::size_t kept) noexcept;  // returns the group that it still stands in

  Group little_, much_;
};

}  // namespace sluice::tls
