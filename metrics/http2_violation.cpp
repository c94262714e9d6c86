#include "metrics/http2_violation.h"

#include <array>

namespace sluice::metrics {

std::string_view name_of(Http2Violation violation) noexcept {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Http2Violation::count_)> kNames = {
      "none",       "max_resets",  "idle_frames",   "window_updates", "continuations",      "max_concurrent_streams", "preface", "protocol",
      "flow_control", "frame_size", "compression", "closed_stream",  "header_list", "too_many_exchanges",
  };
  static_assert(!kNames.back().empty(), "one for each Http2Violation");
  return kNames[static_cast<std::size_t>(violation)];
}

}  // namespace sluice::metrics
