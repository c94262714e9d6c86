// What a tap prints: one JSON object a line. Pure.
#pragma once

#include <string>

#include "config/websocket_config.h"
#include "gateway/websocket/tap_queue.h"
#include "gateway/websocket/socket_identity.h"

namespace sluice::admin {

// Whom it is about, and what is shown.
std::string tap_begin_line(const websocket::SocketIdentity& identity, config::Tap shows);
std::string tap_frame_line(const websocket::TappedFrame& frame);
std::string tap_missed_line(std::uint64_t frames);
std::string tap_end_line(std::string_view why);

}  // namespace sluice::admin
