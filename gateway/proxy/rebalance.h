// Moves tunnels to endpoints that joined (`rebalance` of an upstream): those that an endpoint has beyond its share are told to
// go, each at a moment of its own within `over`, and their clients come back to where there is most room.
#pragma once

#include <random>

#include "gateway/websocket/tunnel_set.h"
#include "upstream/cluster.h"

namespace sluice::proxy {

// When the endpoints of `cluster` may have changed, on each worker for its own tunnels. Moves are planned when an endpoint
// `joined`. What was planned before and is not due yet is called off and planned anew, so that endpoints that come and go all the
// time move no more than one that came.
void rebalance(const upstream::Cluster& cluster, bool joined, websocket::TunnelSet& tunnels, std::mt19937_64& random);

}  // namespace sluice::proxy
