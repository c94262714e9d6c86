// Forwards one request to its upstream and the response back, with retries. Always leaves a response, or a broken-off one.
#pragma once

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_context.h"
#include "upstream/cluster.h"

namespace sluice::proxy {

class UpstreamExchange;

// `exchange.request.headers` are prepared already (prepare_request_headers).
Awaitable<> forward_request(ClientExchange& exchange, Services& services, RouteContext& route);

// The shared ends of forward_request and forward_upgrade.
// Chooses an endpoint that `tried` does not name, notes it, and counts the attempt. `fresh`: for a connection of its own.
upstream::Result<upstream::Picked> pick_endpoint(ClientExchange& exchange, RouteContext& route,
                                                 const std::vector<std::size_t>& tried, bool fresh);
// The endpoint for a further attempt after `attempt`, into `picked`. False: retries.budget is used up, or every endpoint has reached a
// bound of circuit_breaker; what `attempt` came to is the answer.
bool pick_another_endpoint(ClientExchange& exchange, RouteContext& route, std::vector<std::size_t>& tried,
                           const UpstreamExchange& attempt, upstream::Result<upstream::Picked>& picked);
// Every failed attempt is counted, also one that is repeated; what is the client's own doing is not the upstream's failure.
void count_failure(RouteContext& route, const UpstreamExchange* attempt, const upstream::Failure& failure);
// Answers for a failure: the client's own problem if there is one, else the upstream's. `attempt` null: there was none.
void reply_to_failure(ClientExchange& exchange, const UpstreamExchange* attempt, const upstream::Failure& failure);
void reply_to_no_endpoint(ClientExchange& exchange, RouteContext& route, const upstream::Failure& failure);

}  // namespace sluice::proxy
