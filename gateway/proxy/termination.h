// The two handshakes of a WebSocket that the gateway ends itself (`mode: terminate`): it is its client's server, and its backend's client.
// Lives in the coroutine of forward_upgrade.
#pragma once

#include <optional>
#include <string>

#include "config/websocket_config.h"
#include "gateway/http/headers.h"
#include "gateway/websocket/deflate_offer.h"

namespace sluice::proxy {

class Termination {
 public:
  // `request`: a valid handshake. The gateway's own is put in its place: another key, no extension, and of the route's subprotocols the
  // first that the client offers; what the client offers where the route names none.
  Termination(const config::WebSocketRules& rules, http::Headers& request);

  // Makes the client's answer of the backend's, which was checked against what it was asked.
  void answer(http::Headers& response) const;

  const std::optional<websocket::DeflateAgreement>& deflate() const noexcept { return deflate_; }

 private:
  void choose_subprotocol(const std::vector<std::string>& known, http::Headers& request);

  std::string accept_;       // for the client's key
  std::string subprotocol_;  // that the gateway has chosen
  std::optional<websocket::DeflateAgreement> deflate_;
};

// Makes of the client's handshake, a valid one whose fields are prepared, the one for the backend. Nothing: it stays the client's own
// (mode: forward), but for what the route does not let through.
std::optional<Termination> prepare_handshake(http::Headers& request, const config::WebSocketRules& rules);

}  // namespace sluice::proxy
