#pragma once

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sluice::bench {

constexpr uint8_t kFinal = 0x80;
constexpr uint8_t kDeflated = 0x40;  // RSV1, RFC 7692 section 6
constexpr uint8_t kMasked = 0x80;
constexpr uint64_t kMaxControlPayload = 125;
enum Opcode : uint8_t { kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct FrameHead {
  size_t head_size = 0;  // 0: more bytes are needed
  uint64_t payload_size = 0;
  uint8_t first = 0;
  bool masked = false;
  uint8_t mask[4] = {};
};

// RFC 6455 section 5.2.
inline FrameHead parse_frame_head(const char* data, size_t size) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(data);
  if (size < 2) return {};
  FrameHead head;
  head.first = bytes[0];
  head.masked = (bytes[1] & kMasked) != 0;
  uint8_t code = bytes[1] & 0x7f;
  size_t extended = code == 127 ? 8 : code == 126 ? 2 : 0;
  size_t needed = 2 + extended + (head.masked ? 4 : 0);
  if (size < needed) return {};
  head.payload_size = extended == 0 ? code : 0;
  for (size_t i = 0; i < extended; ++i) head.payload_size = head.payload_size << 8 | bytes[2 + i];
  if (head.masked) std::memcpy(head.mask, bytes + 2 + extended, 4);
  head.head_size = needed;
  return head;
}

// Writes at most 10 bytes and returns how many; `mask_bit` is 0 or kMasked.
inline size_t write_frame_head(char* to, uint8_t first, uint8_t mask_bit, uint64_t payload_size) {
  size_t extended = payload_size < 126 ? 0 : payload_size <= 0xffff ? 2 : 8;
  uint8_t code = extended == 0 ? static_cast<uint8_t>(payload_size) : extended == 2 ? 126 : 127;
  to[0] = static_cast<char>(first);
  to[1] = static_cast<char>(mask_bit | code);
  for (size_t i = 0; i < extended; ++i) {
    to[2 + i] = static_cast<char>(payload_size >> (8 * (extended - 1 - i)));
  }
  return 2 + extended;
}

// Copies and unmasks (or masks) eight bytes at a time.
inline void mask_copy(char* __restrict to, const char* __restrict from, size_t size, const uint8_t mask[4]) {
  uint8_t doubled[8] = {mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]};
  uint64_t key = 0;
  std::memcpy(&key, doubled, 8);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, from + i, 8);
    word ^= key;
    std::memcpy(to + i, &word, 8);
  }
  for (; i < size; ++i) to[i] = static_cast<char>(from[i] ^ mask[i % 4]);
}

// What a client sends, with a mask that is not zero, so that whoever unmasks really does, and always the
// same, so that nothing is prepared per message.
inline std::string masked_frame(uint8_t first, std::string_view payload) {
  constexpr uint8_t kMask[4] = {0x37, 0xfa, 0x21, 0x3d};
  std::string frame(payload.size() + 14, '\0');
  size_t head = write_frame_head(frame.data(), first, kMasked, payload.size());
  std::memcpy(frame.data() + head, kMask, 4);
  mask_copy(frame.data() + head + 4, payload.data(), payload.size(), kMask);
  frame.resize(head + 4 + payload.size());
  return frame;
}

// Sec-WebSocket-Accept, RFC 6455 section 4.2.2.
inline std::string accept_for(std::string_view key) {
  std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  unsigned char encoded[32];
  int length = EVP_EncodeBlock(encoded, digest, SHA_DIGEST_LENGTH);
  return {reinterpret_cast<char*>(encoded), static_cast<size_t>(length)};
}

}  // namespace sluice::bench
