#include "gateway/websocket/frame_close_code.h"

namespace sluice::websocket {

std::uint16_t close_code_for(Violation violation) noexcept {
  switch (violation) {
    case Violation::close_reason:
    case Violation::text_not_utf8:
    case Violation::broken_deflate: return kInvalidPayload;
    case Violation::frame_too_big:
    case Violation::message_too_big: return kMessageTooBig;
    case Violation::message_rate: return kPolicyViolation;
    case Violation::slow_consumer: return kTryAgainLater;
    case Violation::none:
    case Violation::reserved_bits:
    case Violation::reserved_opcode:
    case Violation::unmasked:
    case Violation::masked:
    case Violation::long_length:
    case Violation::impossible_length:
    case Violation::control_too_long:
    case Violation::control_fragmented:
    case Violation::unexpected_continuation:
    case Violation::missing_continuation:
    case Violation::close_payload:
    case Violation::close_code:
    case Violation::count_: break;
  }
  return kProtocolError;
}

}  // namespace sluice::websocket
