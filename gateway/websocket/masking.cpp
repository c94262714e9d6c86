#include "gateway/websocket/masking.h"

#include <openssl/rand.h>

#include <cstring>

namespace sluice::websocket {

void apply_mask(MaskKey key, const char* from, std::size_t size, char* to) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, key.data(), sizeof word);
  if (word == 0) {
    if (from != to && size > 0) std::memcpy(to, from, size);
    return;
  }
  const std::uint64_t wide = std::uint64_t{word} << 32 | word;
  std::size_t done = 0;
  for (; size - done >= sizeof wide; done += sizeof wide) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, from + done, sizeof bytes);
    bytes ^= wide;
    std::memcpy(to + done, &bytes, sizeof bytes);
  }
  for (; done < size; ++done) to[done] = static_cast<char>(static_cast<std::uint8_t>(from[done]) ^ key[done % key.size()]);
}

MaskKey MaskKeys::next() noexcept {
  if (used_ == keys_.size()) {
    // It fails only where the system has no randomness at all; then no connection could have been made. The keys before are kept.
    RAND_bytes(keys_[0].data(), sizeof keys_);
    used_ = 0;
  }
  return keys_[used_++];
}

}  // namespace sluice::websocket
