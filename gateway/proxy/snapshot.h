// The configuration in its runtime form: immutable, built off the hot path, shared by all workers. What belongs to one worker
// (pools, metric cells) is in Services.
#pragma once

#include <memory>

#include "config/config.h"
#include "gateway/routing/route_table.h"

namespace sluice::proxy {

struct Snapshot {
  explicit Snapshot(config::Config loaded) : config(std::move(loaded)), routes(config.routes) {}
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const config::Config config;
  const routing::RouteTable routes;  // refers to config.routes
};

}  // namespace sluice::proxy
