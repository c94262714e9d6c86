// What the tests of Cluster have in common: one worker's cluster, its endpoints, and connections to them.
#pragma once

#include <gmock/gmock.h>

#include "tests/support/io_harness.h"
#include "upstream/cluster.h"

namespace sluice::upstream {

using namespace std::chrono_literals;

inline config::Endpoint endpoint(std::uint16_t port, unsigned weight = 1) {
  config::Endpoint settings;
  settings.url = "http://127.0.0.1:" + std::to_string(port);
  settings.host = "127.0.0.1";
  settings.port = port;
  settings.weight = weight;
  return settings;
}

class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest() { settings_.name = "backend"; }

  Cluster make_cluster() { return Cluster(harness_.io, settings_, registry_, nullptr, metrics_); }
  static void resolve(Cluster& cluster, std::uint16_t port) {
    cluster.set_addresses("127.0.0.1", port, std::make_shared<const Addresses>(*loopback(port)));
  }
  static std::optional<Addresses> loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return Addresses{SocketAddress(&address, sizeof address)};
  }
  Result<Connection> acquire(Cluster& cluster, bool fresh = false) {
    Result<Picked> picked = cluster.pick({}, {.fresh = fresh});
    if (!picked) return picked.failure();
    if (!picked->connection.stream) {
      Failure failure = harness_.await(cluster.connect(*picked, 5s, cancellation_));
      if (failure.code != FailureCode::none) return failure;
    }
    return Result<Connection>(std::move(picked->connection));
  }

  // At this one of two endpoints.
  Result<Connection> acquire_at(Cluster& cluster, std::size_t index) {
    const std::vector<std::size_t> other{1 - index};
    Result<Picked> picked = cluster.pick({other, {}}, {.fresh = true});
    if (!picked) return picked.failure();
    Failure failure = harness_.await(cluster.connect(*picked, 5s, cancellation_));
    if (failure.code != FailureCode::none) return failure;
    return Result<Connection>(std::move(picked->connection));
  }
  // Whether there is a kept connection to it, which is used up then.
  bool takes_idle(Cluster& cluster, std::size_t index) {
    const std::vector<std::size_t> other{1 - index};
    Result<Picked> picked = cluster.pick({other, {}});
    return picked && picked->index == index && picked->connection.stream != nullptr;
  }

  std::uint64_t full_count() {
    return harness_.registry
        .counter(0, "sluice_upstream_full_total",
                 "Times that an endpoint was passed over since it had reached a bound of circuit_breaker, by upstream and bound.",
                 {{"upstream", "backend"}, {"bound", "max_connections"}})
        .value();
  }

  test::IoHarness harness_;
  EndpointRegistry registry_;
  config::Upstream settings_;
  metrics::UpstreamMetrics metrics_{harness_.registry, 0, "backend"};
  tls::Cancellation cancellation_;
};

}  // namespace sluice::upstream
