// Forwards one request to its upstream and the response back, with retries. Always leaves a response, or a broken-off one.
#pragma once

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_context.h"
#include "upstream/failure.h"

namespace sluice::proxy {

class UpstreamExchange;

// `exchange.request.headers` are prepared already (prepare_request_headers).
Awaitable<> forward_request(ClientExchange& exchange, Services& services, RouteContext& route);

// The shared ends of forward_request and forward_upgrade.
// Chooses an endpoint that `tried` does not name, notes it, and counts the attempt. Nothing: there is none.
std::optional<upstream::Picked> pick_endpoint(ClientExchange& exchange, RouteContext& route,
                                              const std::vector<std::size_t>& tried);
// Every failed attempt is counted, also one that is repeated; what is the client's own doing is not the upstream's failure.
void count_failure(RouteContext& route, const UpstreamExchange* attempt, const upstream::Failure& failure);
// Answers for a failure: the client's own problem if there is one, else the upstream's. `attempt` null: there was none.
void reply_to_failure(ClientExchange& exchange, const UpstreamExchange* attempt, const upstream::Failure& failure);
void reply_to_no_endpoint(ClientExchange& exchange, RouteContext& route);

}  // namespace sluice::proxy
