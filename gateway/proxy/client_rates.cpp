#include "gateway/proxy/client_rates.h"

#include <algorithm>
#include <span>

namespace sluice::proxy {

// The generic cell rate algorithm: every token puts off the time when the bucket is full.
std::optional<Clock::duration> ClientRates::take(const ClientKey& client, const config::Rate& rate,
                                                 Clock::time_point now) {
  const Clock::duration token = Clock::duration(rate.in) / static_cast<Clock::rep>(rate.times);
  const Clock::duration whole = std::max<Clock::duration>(token, std::chrono::seconds(1));
  const std::uint64_t hash = hash_(client);
  Shard& shard = shards_[hash % kShards];
  const std::lock_guard lock(shard.mutex);
  Bucket& bucket = bucket_of(shard, hash / kShards % kSets, client);
  // Under a slower rate before, it may have had further to go than an empty bucket has now.
  bucket.full_at = std::clamp(bucket.full_at, now, now + whole);
  const Clock::duration missing = bucket.full_at + token - (now + whole);
  if (missing > Clock::duration::zero()) return missing;
  bucket.full_at += token;
  return std::nullopt;
}

ClientRates::Bucket& ClientRates::bucket_of(Shard& shard, std::size_t set, const ClientKey& client) {
  if (shard.buckets.empty()) shard.buckets.resize(kSets * kBuckets);
  const std::span<Bucket> buckets(&shard.buckets[set * kBuckets], kBuckets);
  const auto found = std::ranges::find(buckets, client, &Bucket::client);
  if (found != buckets.end()) return *found;
  Bucket& fullest = *std::ranges::min_element(buckets, {}, &Bucket::full_at);
  fullest = {client, {}};
  return fullest;
}

}  // namespace sluice::proxy
