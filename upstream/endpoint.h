// One address of an upstream: its settings, and its state. The state is shared by all workers and outlives configurations;
// everything else is per worker.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "config/upstream_config.h"
#include "upstream/socket_address.h"

namespace sluice::upstream {

// Process-wide; counters are relaxed, since balancing needs no exact figure. On a cache line of its own, and what seldom changes
// but is looked at after every attempt on another one.
struct alignas(64) EndpointState {
  std::atomic<std::uint32_t> in_flight{0};  // exchanges and tunnels
  std::atomic<std::uint32_t> tunnels{0};    // of these
  std::atomic<std::uint32_t> idle{0};       // pooled connections
  // What circuit_breaker bounds; see Place. Exact, as bounds must be.
  std::atomic<std::uint32_t> connections{0};  // open, or being opened: for exchanges and tunnels, and idle
  std::atomic<std::uint32_t> pending{0};      // exchanges whose connection is being opened
  std::atomic<std::uint32_t> repeats{0};      // repeated attempts that have no answer yet
  std::atomic<bool> room_asked{false};        // see RoomWanted; no worker has heard of it yet

  alignas(64) std::atomic<std::uint32_t> failures{0};  // in a row, of all workers
  std::atomic<bool> out{false};  // written by the HealthMonitor, which tells the workers as well
  // When it joined others that were there: as the upstream got it, or was in again; in Clock's ticks. 0: it was there from the start.
  std::atomic<std::int64_t> joined_at{0};

  // Why it is out, for people to read; empty: it is in. Any thread.
  std::string reason() const {
    const std::scoped_lock lock(reason_mutex_);
    return reason_;
  }
  void set_reason(std::string reason) {
    const std::scoped_lock lock(reason_mutex_);
    reason_ = std::move(reason);
  }

 private:
  mutable std::mutex reason_mutex_;
  std::string reason_;
};

// One worker's view; used by its thread alone.
struct Endpoint {
  config::Endpoint settings;
  std::shared_ptr<EndpointState> state;
  std::shared_ptr<const Addresses> addresses;  // replaced when the resolver posts new ones; empty: not resolved
  std::size_t next_address = 0;
  bool out = false;  // gets no requests while another one is in; changes between two picks only
  unsigned departures = 0;  // how often its tunnels were told to leave
  bool speaks_h2 = false;   // by its last answer in ALPN, or always
  bool agreed = false;      // there was such an answer, or none is needed
  // It has said that it takes no WebSockets over HTTP/2; then it is asked again, since it may have been replaced.
  Clock::time_point no_tunnels_until = Clock::time_point::min();
  bool resumes_tls = false; // connections resume TLS sessions; otherwise each one verifies the certificate anew
};

// Counts one exchange or tunnel of an endpoint while it lives.
class InFlight {
 public:
  InFlight() = default;
  explicit InFlight(std::shared_ptr<EndpointState> state) : state_(std::move(state)) {
    state_->in_flight.fetch_add(1, std::memory_order_relaxed);
  }
  InFlight(InFlight&&) noexcept = default;
  InFlight& operator=(InFlight&& other) noexcept {
    if (this != &other) {
      release();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~InFlight() { release(); }

 private:
  void release() noexcept {
    if (state_) state_->in_flight.fetch_sub(1, std::memory_order_relaxed);
    state_.reset();
  }
  std::shared_ptr<EndpointState> state_;
};

}  // namespace sluice::upstream
