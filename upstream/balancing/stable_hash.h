// A hash that is the same in every process, build and version: which endpoint a key belongs to must not change with a
// restart, nor between gateways side by side. Not for tables that hostile keys could fill: it has no secret.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::upstream {

// FNV-1a, then the finalizer of MurmurHash3, since FNV's high bits hardly change with the last bytes.
constexpr std::uint64_t stable_hash(std::string_view text) noexcept {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  hash = (hash ^ hash >> 33) * 0xFF51AFD7ED558CCD;
  hash = (hash ^ hash >> 33) * 0xC4CEB9FE1A85EC53;
  return hash ^ hash >> 33;
}

}  // namespace sluice::upstream
