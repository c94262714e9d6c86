// What a worker's requests work with: the snapshot, and this worker's pools and metric cells for it. Owned by the worker,
// used by its thread alone.
#pragma once

#include <atomic>
#include <memory>
#include <random>
#include <vector>

#include "gateway/proxy/log_limit.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/proxy/spare_response_heads.h"
#include "gateway/websocket/tunnel_set.h"
#include "metrics/request_metrics.h"
#include "metrics/tls_metrics.h"
#include "metrics/websocket_metrics.h"
#include "tls/worker_io.h"
#include "upstream/cluster.h"

namespace sluice::proxy {

// Open tunnels of a route, all workers together: websocket.max_tunnels is for the whole process.
using TunnelCount = std::atomic<std::int64_t>;

// A route's cells on one worker.
struct RouteServices {
  RouteServices(metrics::Registry& registry, unsigned worker, std::string_view name)
      : requests(registry, worker, name), websocket(registry, worker, name) {}
  metrics::RequestMetrics requests;
  metrics::WebSocketMetrics websocket;
  upstream::Cluster* cluster = nullptr;        // null: the route answers by itself
  std::shared_ptr<TunnelCount> open_tunnels;
};

struct Services {
  tls::WorkerIo& io;
  metrics::TlsMetrics& tls_metrics;
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<std::unique_ptr<metrics::UpstreamMetrics>> upstream_metrics;
  std::vector<std::unique_ptr<upstream::Cluster>> clusters;    // parallel to the configuration's upstreams
  std::vector<std::unique_ptr<RouteServices>> routes;          // parallel to its routes
  std::unique_ptr<RouteServices> no_route;                     // requests that matched none or could not be read
  websocket::TunnelSet tunnels;
  std::mt19937_64 random{std::random_device{}()};              // request ids: not secrets
  std::uint16_t https_port = 443;                              // where redirect_to_https leads
  bool draining = false;
  SpareResponseHeads response_heads{};
  LogLimit log_limit{io.wheel};

  RouteServices& route(std::size_t index) {
    return index < routes.size() ? *routes[index] : *no_route;
  }
};

}  // namespace sluice::proxy
