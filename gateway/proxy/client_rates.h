// How fast each client comes with something: a token bucket by address. Any thread; one lock per shard, held for a
// look-up.
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <vector>

#include "config/values.h"
#include "gateway/proxy/client_key.h"
#include "tls/io_types.h"

namespace sluice::proxy {

class ClientRates {
 public:
  // Clients that are remembered at most. When all are there, those are forgotten first whose bucket is nearest to full.
  static constexpr std::size_t kMostClients = 16384;

  ClientRates() = default;
  ClientRates(const ClientRates&) = delete;
  ClientRates& operator=(const ClientRates&) = delete;

  // Takes one of the client's tokens. Its bucket holds those of a second, one at least, and may be asked under another
  // rate than before. A time: it has none, and will have one then.
  std::optional<Clock::duration> take(const ClientKey& client, const config::Rate& rate, Clock::time_point now);

 private:
  // A bucket is told by when it will be full. One that is full says as much as none, so whatever is full may be
  // overwritten: nothing has to be swept, and nothing is allocated once a shard was used.
  struct Bucket {
    ClientKey client;
    Clock::time_point full_at{};
  };
  static constexpr std::size_t kShards = 32;
  static constexpr std::size_t kSets = 64;    // of a shard; a client's bucket is in one set
  static constexpr std::size_t kBuckets = 8;  // of a set
  static_assert(kShards * kSets * kBuckets == kMostClients);
  struct alignas(64) Shard {
    std::mutex mutex;
    std::vector<Bucket> buckets;  // empty until it is used
  };

  Bucket& bucket_of(Shard& shard, std::size_t set, const ClientKey& client);

  ClientHash hash_;
  std::array<Shard, kShards> shards_;
};

}  // namespace sluice::proxy
