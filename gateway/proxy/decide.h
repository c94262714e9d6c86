// What becomes of a request, told from its head alone: the gateway acts on it, and `sluice explain` shows it.
// No I/O, no metrics; the exchange's own thread.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/reply.h"
#include "gateway/proxy/route_context.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/routing/route_input.h"
#include "metrics/websocket_metrics.h"

namespace sluice::proxy {

enum class Action : std::uint8_t {
  refuse,             // with `reply`
  acme_challenge,     // a file of the listener's
  redirect_to_https,  // the listener's
  respond,            // the route's redirect or fixed answer
  forward,            // to the route's upstream, as an upgrade when RouteContext::websocket
};

struct Decision {
  Action action = Action::forward;
  Reply reply = {};
  bool out_of_step = false;  // of a refusal: the rest of the connection cannot be trusted
  // Of a refusal that ended a WebSocket handshake on its route.
  std::optional<metrics::UpgradeResult> upgrade = {};
};

// Fills in `route` but for its services, and notes in the exchange and its record who the client is and which
// route it has. `random`: for a request id.
Decision decide(ClientExchange& exchange, const Snapshot& snapshot, std::uint64_t random,
                RouteContext& route);

// What the routes were asked; `route` as decide() left it.
routing::RouteInput route_input(const ClientExchange& exchange, const RouteContext& route);

}  // namespace sluice::proxy
