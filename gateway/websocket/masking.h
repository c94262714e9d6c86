// Masks and unmasks payloads (RFC 6455 5.3), and makes keys for frames of the gateway's own. No I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::websocket {

// All zeros changes nothing: the key of a frame that is not masked.
using MaskKey = std::array<std::uint8_t, 4>;

// The key for bytes that begin `position` bytes behind those that `key` is for.
inline MaskKey key_at(MaskKey key, std::uint64_t position) noexcept {
  return {key[position % 4], key[(position + 1) % 4], key[(position + 2) % 4], key[(position + 3) % 4]};
}

// `from` and `to` are the same place, or do not overlap. Masking and unmasking are one operation.
void apply_mask(MaskKey key, const char* from, std::size_t size, char* to) noexcept;

// Keys that nobody can foretell (RFC 6455 10.3), drawn from OpenSSL in bulk. One per thread that writes frames.
class MaskKeys {
 public:
  MaskKey next() noexcept;

 private:
  static constexpr std::size_t kDrawn = 256;

  std::array<MaskKey, kDrawn> keys_;
  std::size_t used_ = kDrawn;
};

}  // namespace sluice::websocket
