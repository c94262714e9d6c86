// What is counted of a route's WebSockets in the whole process. Goes on across reloads, by the name of the route.
// Workers share it; the pointers are each one's own, made on the control thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "config/route_config.h"
#include "gateway/proxy/client_counts.h"
#include "gateway/proxy/client_rates.h"

namespace sluice::proxy {

using TunnelCount = std::atomic<std::int64_t>;

struct RouteCounts {
  std::shared_ptr<TunnelCount> open;        // tunnels, for max_tunnels
  std::shared_ptr<ClientCounts> of_client;  // tunnels, for max_tunnels_per_client; null while that is off
  std::shared_ptr<ClientRates> handshakes;  // for handshake_rate; null while that is off

  // Makes what the rules ask for and is not there.
  void make_for(const config::WebSocketRules& rules);
  // Without what the rules do not ask for.
  RouteCounts used_by(const config::WebSocketRules& rules) const;
};

// A tunnel's place among those of its route, and of its client when those are counted; given back at the end.
class TunnelPlace {
 public:
  TunnelPlace(std::shared_ptr<TunnelCount> count, std::optional<ClientPlace> of_client)
      : count_(std::move(count)), of_client_(std::move(of_client)) {}
  TunnelPlace(TunnelPlace&&) noexcept = default;
  TunnelPlace& operator=(TunnelPlace&&) = delete;
  ~TunnelPlace() {
    if (count_) count_->fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  std::shared_ptr<TunnelCount> count_;
  std::optional<ClientPlace> of_client_;
};

}  // namespace sluice::proxy
