// To which streams something has happened lately, such as their end. A table of fixed size: a stream is
// forgotten when one takes its place, 64 streams later. One connection owns it.
#pragma once

#include <array>
#include <cstddef>

#include "gateway/http2/codes.h"

namespace sluice::http2 {

class RecentStreams {
 public:
  void add(StreamId id) noexcept { places_[place_of(id)] = id; }
  bool contains(StreamId id) const noexcept { return id != 0 && places_[place_of(id)] == id; }
  // Whether it may be forgotten by now, the newest of its side being that one.
  static bool may_forget(StreamId id, StreamId newest) noexcept { return newest - id >= static_cast<StreamId>(2 * kPlaces); }

 private:
  static constexpr std::size_t kPlaces = 64;

  // The ids of one side are all odd or all even.
  static std::size_t place_of(StreamId id) noexcept { return static_cast<std::size_t>(id) / 2 % kPlaces; }

  std::array<StreamId, kPlaces> places_{};
};

}  // namespace sluice::http2
