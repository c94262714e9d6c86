// `websocket`: true takes only WebSocket upgrades, false only plain requests, absent both.
#pragma once

#include <optional>

namespace sluice::routing {

bool websocket_matches(std::optional<bool> wanted, bool is_websocket) noexcept;

}  // namespace sluice::routing
