// Open client connections against limits.max_connections and max_connections_per_client: process-wide, any
// thread. Touched once when a connection is accepted and once when it has ended.
#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "config/values.h"

namespace sluice {

// Whom a connection is counted for: an IPv4 address, mapped into IPv6 or not, or the /64 of an IPv6 address, since that
// is what one customer gets.
struct ClientKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  // `address`: 4 or 16 bytes in network order.
  static ClientKey of(const std::uint8_t* address, bool v6) noexcept;
  bool operator==(const ClientKey&) const = default;
};

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
    bool count_for(const ClientKey& client);

   private:
    friend class ConnectionLimits;
    void release() noexcept;
    ConnectionLimits* limits_ = nullptr;
    std::optional<ClientKey> client_;
  };

  ConnectionLimits();
  ConnectionLimits(const ConnectionLimits&) = delete;
  ConnectionLimits& operator=(const ConnectionLimits&) = delete;

  // Before the first connection.
  void set(std::int64_t max, config::OptionalCount per_client);
  // `client` absent: it counts against max_connections alone. `place` is taken only when the verdict is
  // `admitted`.
  Verdict admit(const std::optional<ClientKey>& client, Place& place);
  std::int64_t open() const noexcept { return open_.load(std::memory_order_relaxed); }
  // Addresses that have connections now.
  std::size_t clients() const;

 private:
  // Seeded, so that nobody can choose addresses that fall together.
  struct Hash {
    std::uint64_t seed;
    std::size_t operator()(const ClientKey& key) const noexcept;
  };
  using Counts = std::unordered_map<ClientKey, std::uint32_t, Hash>;
  // An address is in its shard only while it has connections: max_connections bounds them all.
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    Counts counts{0, Hash{0}};
  };
  static constexpr std::size_t kShards = 64;

  Shard& shard_of(const ClientKey& client) noexcept { return shards_[hash_(client) % kShards]; }
  bool count(const ClientKey& client);
  void uncount(const ClientKey& client) noexcept;

  std::int64_t max_ = 0;
  config::OptionalCount per_client_;
  Hash hash_;
  alignas(64) std::atomic<std::int64_t> open_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace sluice
