#include "gateway/connection_limits.h"

#include <random>
#include <utility>

#include "config/address.h"

namespace sluice {
namespace {

std::uint64_t big_endian(const std::uint8_t* bytes, int count) noexcept {
  std::uint64_t number = 0;
  for (int i = 0; i < count; ++i) number = number << 8 | bytes[i];
  return number;
}

// The finalizer of splitmix64: every bit of the input reaches every bit of the output.
std::uint64_t mix(std::uint64_t number) noexcept {
  number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9;
  number = (number ^ number >> 27) * 0x94D049BB133111EB;
  return number ^ number >> 31;
}

}  // namespace

ClientKey ClientKey::of(const std::uint8_t* address, bool v6) noexcept {
  constexpr std::uint64_t kV4 = 4ull << 32;  // keeps 0.0.0.0 and ::/64 apart
  if (v6 && config::is_mapped_v4(address)) return of(address + 12, false);
  return v6 ? ClientKey{big_endian(address, 8), 0} : ClientKey{0, kV4 | big_endian(address, 4)};
}

std::size_t ConnectionLimits::Hash::operator()(const ClientKey& key) const noexcept {
  return mix(mix(key.high ^ seed) ^ key.low);
}

ConnectionLimits::Place::Place(Place&& other) noexcept
    : limits_(std::exchange(other.limits_, nullptr)), client_(other.client_) {}

ConnectionLimits::Place& ConnectionLimits::Place::operator=(Place&& other) noexcept {
  if (this != &other) {
    release();
    limits_ = std::exchange(other.limits_, nullptr);
    client_ = other.client_;
  }
  return *this;
}

bool ConnectionLimits::Place::count_for(const ClientKey& client) {
  if (!limits_->per_client_) return true;
  if (!limits_->count(client)) return false;
  client_ = client;
  return true;
}

void ConnectionLimits::Place::release() noexcept {
  ConnectionLimits* limits = std::exchange(limits_, nullptr);
  if (limits == nullptr) return;
  if (client_) limits->uncount(*client_);
  limits->open_.fetch_sub(1, std::memory_order_relaxed);
}

ConnectionLimits::ConnectionLimits() {
  std::random_device random;
  hash_.seed = std::uint64_t{random()} << 32 | random();
  // The buckets of a shard must not follow from the choice of the shard.
  for (Shard& shard : shards_) shard.counts = Counts(0, Hash{mix(hash_.seed + 1)});
}

void ConnectionLimits::set(std::int64_t max, config::OptionalCount per_client) {
  max_ = max;
  per_client_ = per_client;
}

ConnectionLimits::Verdict ConnectionLimits::admit(const std::optional<ClientKey>& client, Place& place) {
  Place taken;
  if (client && per_client_) {
    if (!count(*client)) return Verdict::max_connections_per_client;
    taken.client_ = client;
  }
  taken.limits_ = this;
  if (open_.fetch_add(1, std::memory_order_relaxed) >= max_) return Verdict::max_connections;
  place = std::move(taken);
  return Verdict::admitted;
}

std::size_t ConnectionLimits::clients() const {
  std::size_t sum = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    sum += shard.counts.size();
  }
  return sum;
}

bool ConnectionLimits::count(const ClientKey& client) {
  Shard& shard = shard_of(client);
  const std::lock_guard lock(shard.mutex);
  std::uint32_t& open = shard.counts[client];
  if (open >= *per_client_) return false;
  ++open;
  return true;
}

void ConnectionLimits::uncount(const ClientKey& client) noexcept {
  Shard& shard = shard_of(client);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.counts.find(client);
  if (--found->second == 0) shard.counts.erase(found);
}

}  // namespace sluice
