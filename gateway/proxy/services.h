// What a worker's requests work with. Owned by the worker, used by its thread alone.
#pragma once

#include <memory>
#include <random>

#include "gateway/proxy/generation.h"
#include "gateway/proxy/log_limit.h"
#include "gateway/proxy/mirror_set.h"
#include "gateway/proxy/spare_response_heads.h"
#include "gateway/websocket/tunnel_set.h"
#include "metrics/http2_metrics.h"
#include "metrics/tls_metrics.h"
#include "tls/worker_io.h"

namespace sluice::proxy {

struct Services {
  tls::WorkerIo& io;
  metrics::TlsMetrics& tls_metrics;
  metrics::Http2Metrics& http2_metrics;
  Cells cells;
  websocket::TunnelSet tunnels{io.loop};
  std::shared_ptr<Generation> generation{};            // that requests begin under now
  std::mt19937_64 random{std::random_device{}()};      // request ids: not secrets
  bool draining = false;
  SpareResponseHeads response_heads{};
  MirrorSet mirrors{};
  LogLimit log_limit{io.wheel};
};

}  // namespace sluice::proxy
