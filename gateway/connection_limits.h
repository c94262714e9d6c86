// Open client connections against limits.max_connections and max_connections_per_client: process-wide, any
// thread. Touched once when a connection is accepted and once when it has ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "config/values.h"
#include "gateway/proxy/client_counts.h"

namespace sluice {

class ConnectionLimits {
 public:
  enum class Verdict : std::uint8_t { admitted, max_connections, max_connections_per_client };

  // A connection's place, given back when this goes.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place() { release(); }
    // Counts a place that counts for no client yet for this one from now on; false: it has too many.
    bool count_for(const proxy::ClientKey& client);

   private:
    friend class ConnectionLimits;
    void release() noexcept;
    ConnectionLimits* limits_ = nullptr;
    std::optional<proxy::ClientKey> client_;
  };

  ConnectionLimits() = default;
  ConnectionLimits(const ConnectionLimits&) = delete;
  ConnectionLimits& operator=(const ConnectionLimits&) = delete;

  // Before the first connection.
  void set(std::int64_t max, config::OptionalCount per_client);
  // `client` absent: it counts against max_connections alone. `place` is taken only when the verdict is
  // `admitted`.
  Verdict admit(const std::optional<proxy::ClientKey>& client, Place& place);
  std::int64_t open() const noexcept { return open_.load(std::memory_order_relaxed); }
  // Addresses that have connections now.
  std::size_t clients() const { return counts_.clients(); }

 private:
  std::int64_t max_ = 0;
  config::OptionalCount per_client_;
  alignas(64) std::atomic<std::int64_t> open_{0};
  proxy::ClientCounts counts_;  // max_connections bounds it
};

}  // namespace sluice
