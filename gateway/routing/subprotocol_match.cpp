#include "gateway/routing/subprotocol_match.h"

#include <algorithm>

namespace sluice::routing {

bool subprotocols_match(const std::vector<std::string>& wanted, bool is_websocket, const http::Headers* headers) {
  if (wanted.empty()) return true;
  if (!is_websocket || headers == nullptr) return false;
  bool offered = false;
  for (const http::Field& field : *headers) {
    if (!http::equals_ignore_case(field.name, "Sec-WebSocket-Protocol")) continue;
    http::for_each_list_member(field.value, [&](std::string_view name) {
      offered = offered || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
    });
  }
  return offered;
}

}  // namespace sluice::routing
