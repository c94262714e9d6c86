#include "gateway/proxy/client_key.h"

#include <random>
#include <string>

#include "config/address.h"

namespace sluice::proxy {
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

std::optional<ClientKey> ClientKey::parse(std::string_view address) {
  std::uint8_t bytes[16];
  bool v6 = false;
  if (!config::parse_ip(std::string(address), bytes, v6)) return std::nullopt;
  return of(bytes, v6);
}

ClientHash::ClientHash() {
  std::random_device random;
  seed_ = std::uint64_t{random()} << 32 | random();
}

std::uint64_t ClientHash::operator()(const ClientKey& key) const noexcept {
  return mix(mix(key.high ^ seed_) ^ key.low);
}

}  // namespace sluice::proxy
