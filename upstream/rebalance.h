// How much of the tunnels that each endpoint of an upstream has is more than its share, after others joined (`rebalance`). Pure
// functions; the tunnels that are to go are chosen by whoever has them.
#pragma once

#include <span>
#include <vector>

#include "upstream/endpoint.h"

namespace sluice::upstream {

// For each endpoint the part, from 0 to below 1, that would have to move to the others for every one to have its weight's share.
// It looks at what all workers have, so that each of them can move that part of its own. An endpoint that is out gives and gets
// nothing: what becomes of its tunnels is told by `on_unhealthy`.
std::vector<double> parts_in_excess(std::span<const Endpoint> endpoints);

// Whether one of `now` may take more than it did: it is new, in again, or heavier.
bool any_joined(std::span<const Endpoint> before, std::span<const Endpoint> now);

}  // namespace sluice::upstream
