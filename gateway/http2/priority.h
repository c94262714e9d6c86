// What a client says of the order of its answers (RFC 9218), in PRIORITY_UPDATE frames: the library reads the field of requests, but its
// own reading of the frames makes idle streams of those that have not begun, and 1.52 leaves these among the idle ones when they begin: a
// GOAWAY for fewer streams then aborts the process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/http2/codes.h"

namespace sluice::http2 {

struct Priority {
  std::uint8_t urgency = 3;  // 0 is the most urgent, 7 the least
  bool incremental = false;
};

// The value of a Priority field. What cannot be read is left out, as is what nobody knows (RFC 9218 4).
Priority parse_priority(std::string_view text) noexcept;

// The last update of a stream, perhaps before it began. A table of fixed size: a stream is forgotten when one takes its place, 64 later.
// One connection owns it.
class PriorityUpdates {
 public:
  void add(StreamId id, Priority priority) noexcept;
  std::optional<Priority> find(StreamId id) const noexcept;

 private:
  static constexpr std::size_t kPlaces = 64;
  static std::size_t place_of(StreamId id) noexcept { return static_cast<std::size_t>(id) / 2 % kPlaces; }

  std::array<StreamId, kPlaces> ids_{};
  std::array<Priority, kPlaces> priorities_{};
};

}  // namespace sluice::http2
