#include "gateway/proxy/client_counts.h"

namespace sluice::proxy {

bool ClientCounts::take(const ClientKey& client, std::uint64_t most) {
  Shard& shard = shard_of(client);
  const std::lock_guard lock(shard.mutex);
  std::uint32_t& open = shard.counts[client];
  if (open >= most) return false;
  ++open;
  return true;
}

void ClientCounts::give_back(const ClientKey& client) noexcept {
  Shard& shard = shard_of(client);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.counts.find(client);
  if (--found->second == 0) shard.counts.erase(found);
}

std::size_t ClientCounts::clients() const {
  std::size_t sum = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    sum += shard.counts.size();
  }
  return sum;
}

}  // namespace sluice::proxy
