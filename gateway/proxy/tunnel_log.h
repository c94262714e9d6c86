// What outlives the request for a tunnel: its lines in the access log, at open and at close, and the counts that it holds (a place
// among the route's tunnels, its endpoint in flight, its upstream connection). Copies what it logs, so that no configuration stays in
// memory because of a tunnel. Owned by the tunnel.
#pragma once

#include <memory>
#include <string>

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_counts.h"
#include "gateway/websocket/tunnel.h"

namespace sluice::proxy {

class TunnelLog final : public websocket::TunnelObserver {
 public:
  // Logs the opening.
  TunnelLog(const ClientExchange& exchange, upstream::InFlight in_flight, TunnelPlace place);
  ~TunnelLog() override;
  // The counts of the connection to the endpoint.
  void hold_connection(upstream::Connection& connection) {
    connection_open_ = std::move(connection.open);
    connection_place_ = std::move(connection.place);
  }
  // The endpoint's count of tunnels.
  void hold_count(upstream::Place counted) { counted_ = std::move(counted); }
  void tunnel_ended(const websocket::TunnelSummary& summary) override;

 private:
  struct Line;
  std::unique_ptr<Line> line_;  // null when the access log is off
  upstream::InFlight in_flight_;
  TunnelPlace place_;
  metrics::GaugeHold connection_open_;
  upstream::Place connection_place_;
  upstream::Place counted_;
};

}  // namespace sluice::proxy
