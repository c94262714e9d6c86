// What outlives the request for a tunnel: who it is, its lines in the access log, at open and at close, and the counts that it holds (a
// place among the route's tunnels, its endpoint in flight, its upstream connection). Copies what it tells, so that no configuration
// stays in memory because of a tunnel. Owned by the tunnel.
#pragma once

#include <memory>

#include "gateway/proxy/client_exchange.h"
#include "gateway/proxy/route_counts.h"
#include "gateway/proxy/tunnel_backend.h"
#include "gateway/websocket/tunnel.h"

namespace sluice::proxy {

class TunnelLog final : public websocket::TunnelObserver {
 public:
  // Logs the opening. `subprotocol`: that was agreed on.
  TunnelLog(const ClientExchange& exchange, std::string_view subprotocol, upstream::InFlight in_flight, TunnelPlace place);
  const std::shared_ptr<const websocket::SocketIdentity>& identity() const noexcept { return identity_; }
  // What is counted for the connection to the endpoint.
  void hold_backend(TunnelBackend& backend) {
    connection_open_ = std::move(backend.open);
    connection_place_ = std::move(backend.place);
    seat_ = std::move(backend.seat);
  }
  // The endpoint's count of tunnels.
  void hold_count(upstream::Place counted) { counted_ = std::move(counted); }
  void tunnel_ended(const websocket::TunnelSummary& summary) override;

 private:
  std::shared_ptr<const websocket::SocketIdentity> identity_;
  // Of the request, for the line at the end.
  std::string_view scheme_, observed_;  // static
  std::uint64_t bytes_received_ = 0;
  std::uint64_t bytes_sent_ = 0;
  unsigned status_ = 0;
  unsigned attempts_ = 0;
  upstream::InFlight in_flight_;
  TunnelPlace place_;
  metrics::GaugeHold connection_open_;
  upstream::Place connection_place_;
  LinkSeat seat_;
  upstream::Place counted_;
};

}  // namespace sluice::proxy
