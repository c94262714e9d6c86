#include "metrics/websocket_violation.h"

#include <array>

namespace sluice::metrics {

std::string_view name_of(Violation violation) noexcept {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Violation::count_)> kNames = {
      "none",
      "reserved_bits",
      "reserved_opcode",
      "unmasked",
      "masked",
      "long_length",
      "impossible_length",
      "control_too_long",
      "control_fragmented",
      "unexpected_continuation",
      "missing_continuation",
      "close_payload",
      "close_code",
      "close_reason",
      "text_not_utf8",
      "broken_deflate",
      "frame_too_big",
      "message_too_big",
      "message_rate",
      "slow_consumer",
  };
  static_assert(!kNames.back().empty(), "one for each Violation");
  return kNames[static_cast<std::size_t>(violation)];
}

}  // namespace sluice::metrics
