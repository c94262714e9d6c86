// Moves tunnels to endpoints that joined (`rebalance` of an upstream): those that an endpoint has beyond its share are told to
// go, each at a moment of its own within `over`, and their clients come back to where there is most room.
#pragma once

#include <random>

#include "gateway/websocket/tunnel_set.h"
#include "upstream/cluster.h"

namespace sluice::proxy {

// Whenever the endpoints of `cluster` have changed, on each worker for its own tunnels. What the change before had planned and is
// not due yet is called off, so that endpoints that come and go all the time move no more than one that came.
void rebalance(const upstream::Cluster& cluster, websocket::TunnelSet& tunnels, std::mt19937_64& random);

}  // namespace sluice::proxy
