// How much each client has open of something: a count by address. Any thread; one lock per shard, held for a look-up.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "gateway/proxy/client_key.h"

namespace sluice::proxy {

class ClientCounts {
 public:
  ClientCounts() = default;
  ClientCounts(const ClientCounts&) = delete;
  ClientCounts& operator=(const ClientCounts&) = delete;

  // Counts one more; false: the client has `most` already. Each taken one is given back once.
  bool take(const ClientKey& client, std::uint64_t most);
  void give_back(const ClientKey& client) noexcept;
  // Clients that have something open now.
  std::size_t clients() const;

 private:
  using Counts = std::unordered_map<ClientKey, std::uint32_t, ClientHash>;
  // A client is in its shard only while it has something open: what bounds that in all bounds them too.
  // The map's hash is seeded otherwise than the choice of the shard: buckets must not follow from it.
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    Counts counts;
  };
  static constexpr std::size_t kShards = 64;

  Shard& shard_of(const ClientKey& client) noexcept { return shards_[hash_(client) % kShards]; }

  ClientHash hash_;
  std::array<Shard, kShards> shards_;
};

// One of a client's counts, given back when this goes.
class ClientPlace {
 public:
  // `counts` has one of `client` that was taken.
  ClientPlace(std::shared_ptr<ClientCounts> counts, const ClientKey& client)
      : counts_(std::move(counts)), client_(client) {}
  ClientPlace(ClientPlace&&) noexcept = default;
  ClientPlace& operator=(ClientPlace&&) = delete;
  ~ClientPlace() {
    if (counts_) counts_->give_back(client_);
  }

 private:
  std::shared_ptr<ClientCounts> counts_;
  ClientKey client_;
};

}  // namespace sluice::proxy
