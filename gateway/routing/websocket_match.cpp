#include "gateway/routing/websocket_match.h"

namespace sluice::routing {

bool websocket_matches(std::optional<bool> wanted, bool is_websocket) noexcept {
  return !wanted || *wanted == is_websocket;
}

}  // namespace sluice::routing
