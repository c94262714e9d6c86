// The metric cells of one worker, by the names of routes and upstreams. They outlive configurations: counting goes on where a name
// stays, and a tunnel refers to its route's cells for as long as it lives. That worker's thread alone.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "metrics/mirror_metrics.h"
#include "metrics/request_metrics.h"
#include "metrics/upstream_metrics.h"
#include "metrics/websocket_metrics.h"

namespace sluice::proxy {

class Cells {
 public:
  struct Route {
    metrics::RequestMetrics requests;
    metrics::WebSocketMetrics websocket;
  };

  Cells(metrics::Registry& registry, unsigned worker) : registry_(registry), worker_(worker) {}

  // Made on first use. Addresses are stable.
  Route& route(const std::string& name);
  metrics::UpstreamMetrics& upstream(const std::string& name);
  // Of a route that has a mirror.
  metrics::MirrorMetrics& mirror(const std::string& route);

 private:
  metrics::Registry& registry_;
  const unsigned worker_;
  std::map<std::string, std::unique_ptr<Route>> routes_;
  std::map<std::string, std::unique_ptr<metrics::UpstreamMetrics>> upstreams_;
  std::map<std::string, std::unique_ptr<metrics::MirrorMetrics>> mirrors_;  // by route
};

}  // namespace sluice::proxy
