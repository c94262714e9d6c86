// What a configuration, or the endpoints that were discovered for it, become for whoever works by them: the workers and the health
// monitor. Made on the control thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/open_listeners.h"
#include "gateway/tls_setup.h"
#include "gateway/worker.h"

namespace sluice {

using CountsByRoute = std::map<std::string, proxy::RouteCounts>;

// For each worker its own contexts and sockets, and what all share. Takes the sockets out of `listeners`, and adds to `counts` what
// is not there: counting goes on by the name of the route. `upstreams`: with what was discovered. No addresses yet.
std::vector<NewConfig> parts_for_workers(std::size_t workers, const std::shared_ptr<const proxy::Snapshot>& snapshot,
                                         const std::vector<config::Upstream>& upstreams, const TlsSetup& tls,
                                         const UnchangedTls& unchanged, OpenListeners::Next& listeners, CountsByRoute& counts);

// What the health monitor needs of them.
std::vector<upstream::WatchedUpstream> watched_upstreams(const std::vector<config::Upstream>& upstreams, const TlsSetup& tls,
                                                         const UnchangedTls& unchanged, upstream::EndpointRegistry& endpoints);

}  // namespace sluice
