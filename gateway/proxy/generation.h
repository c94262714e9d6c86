// What one worker has of one configuration: the snapshot, and this worker's clusters and cells for it. A request holds the one
// that it began under to its end; an idle connection holds none, nor does a tunnel. That worker's thread alone.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "gateway/proxy/cells.h"
#include "gateway/proxy/route_counts.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/proxy/sticky.h"
#include "gateway/websocket/tunnel.h"
#include "upstream/cluster.h"

namespace sluice::proxy {

struct RouteServices {
  RouteServices(Cells::Route& cells, RouteCounts shared)
      : requests(cells.requests), websocket(cells.websocket), counts(std::move(shared)) {}
  metrics::RequestMetrics& requests;
  metrics::WebSocketMetrics& websocket;
  RouteCounts counts;  // of the rules in force
  std::shared_ptr<const websocket::TunnelRules> tunnel_rules;
  // Where requests go: one for `upstream`, one per side of a `split`; none: the route answers by itself.
  struct Side {
    std::shared_ptr<upstream::Cluster> cluster;
    std::vector<std::string> cookies;  // the values that keep a client here, when the split is sticky; the first is given out
    std::shared_ptr<const StickyCookie> sticky;  // null: the upstream is not
  };
  std::vector<Side> sides;
  // Where copies of requests go.
  struct Mirror {
    std::shared_ptr<upstream::Cluster> cluster;
    metrics::MirrorMetrics& metrics;
  };
  std::optional<Mirror> mirror;
};

struct Generation {
  // `none`: of requests that matched no route or could not be read.
  Generation(std::shared_ptr<const Snapshot> made, Cells::Route& none) : snapshot(std::move(made)), no_route(none, {}) {}

  const std::shared_ptr<const Snapshot> snapshot;
  std::vector<std::shared_ptr<upstream::Cluster>> clusters;  // parallel to the configuration's upstreams
  std::vector<RouteServices> routes;                         // parallel to its routes
  RouteServices no_route;
  std::uint16_t https_port = 443;                            // where redirect_to_https leads

  const config::Config& config() const noexcept { return snapshot->config; }
  // What a tunnel of that Tunnel::route() and Tunnel::endpoint() belongs to here; nothing: its route is gone, or does not lead to its
  // endpoint any more.
  struct Home {
    std::size_t route;  // its index
    const config::Upstream& upstream;
    const config::Endpoint& endpoint;
  };
  std::optional<Home> home_of(const void* route, const void* endpoint) const noexcept;
  bool has(const websocket::Tunnel& tunnel) const noexcept { return home_of(tunnel.route(), tunnel.endpoint()).has_value(); }
  // Its cluster of that upstream; null: none.
  const upstream::Cluster* cluster(std::string_view upstream) const noexcept;
  RouteServices& route(std::size_t index) { return index < routes.size() ? routes[index] : no_route; }
};

}  // namespace sluice::proxy
