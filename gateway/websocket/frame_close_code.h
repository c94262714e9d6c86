// Which Close code tells the side that broke a rule (RFC 6455 7.4.1).
#pragma once

#include "gateway/websocket/frame.h"
#include "metrics/websocket_violation.h"

namespace sluice::websocket {

using metrics::Violation;

std::uint16_t close_code_for(Violation violation) noexcept;

}  // namespace sluice::websocket
