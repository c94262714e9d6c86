// Frames of HTTP/2 by hand (RFC 9113 4.1, RFC 7541 5 and 6), right ones and wrong ones: it checks nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::test::h2 {

enum Type : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};

enum Flag : std::uint8_t {
  kNone = 0,
  kAck = 0x1,
  kEndStream = 0x1,
  kEndHeaders = 0x4,
  kPadded = 0x8,
  kHasPriority = 0x20
};
inline constexpr std::uint8_t kWhole = kEndStream | kEndHeaders;

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline std::string number(std::uint64_t value, unsigned bytes) {
  std::string text;
  for (unsigned i = bytes; i-- > 0;) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload = {}) {
  return number(payload.size(), 3) + number(type, 1) + number(flags, 1) + number(stream, 4) +
         std::string(payload);
}

inline std::string settings(const std::vector<std::pair<unsigned, std::uint32_t>>& entries = {}) {
  std::string payload;
  for (const auto& [id, value] : entries) payload += number(id, 2) + number(value, 4);
  return frame(kSettings, kNone, 0, payload);
}

inline std::string ping(std::uint64_t payload, std::uint8_t flags = kNone) {
  return frame(kPing, flags, 0, number(payload, 8));
}
inline std::string rst(std::uint32_t stream, std::uint32_t code) {
  return frame(kRstStream, kNone, stream, number(code, 4));
}
inline std::string window(std::uint32_t stream, std::uint32_t by) {
  return frame(kWindowUpdate, kNone, stream, number(by, 4));
}
inline std::string priority(std::uint32_t stream, std::uint32_t on) {
  return frame(kPriority, kNone, stream, number(on, 4) + number(16, 1));
}
inline std::string goaway(std::uint32_t last, std::uint32_t code) {
  return frame(kGoaway, kNone, 0, number(last, 4) + number(code, 4));
}
inline std::string data(std::uint32_t stream, std::string_view bytes, std::uint8_t flags = kEndStream) {
  return frame(kData, flags, stream, bytes);
}
inline std::string headers(std::uint32_t stream, std::string_view block, std::uint8_t flags = kWhole) {
  return frame(kHeaders, flags, stream, block);
}
inline std::string continuation(std::uint32_t stream, std::string_view block,
                                std::uint8_t flags = kEndHeaders) {
  return frame(kContinuation, flags, stream, block);
}

// A string literal without Huffman coding, shorter than 127 + 2^14 bytes.
inline std::string literal(std::string_view text) {
  std::string coded;
  if (text.size() < 127) {
    coded = number(text.size(), 1);
  } else {
    std::size_t left = text.size() - 127;
    coded = "\x7f";
    for (; left >= 128; left >>= 7) coded.push_back(static_cast<char>(0x80 | (left & 0x7f)));
    coded.push_back(static_cast<char>(left));
  }
  return coded + std::string(text);
}

// A field without indexing, name and all.
inline std::string field(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + literal(name) + literal(value);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

inline std::string block(const Fields& fields) {
  std::string coded;
  for (const auto& [name, value] : fields) coded += field(name, value);
  return coded;
}

// The pseudo fields of a request, and more behind them.
inline Fields request(std::string_view method = "GET", const Fields& more = {}) {
  Fields fields{
      {":method", std::string(method)}, {":scheme", "https"}, {":path", "/"}, {":authority", "a.example"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

struct Frame {
  std::uint8_t type = 0, flags = 0;
  std::uint32_t stream = 0;
  std::string payload;

  std::uint64_t number_at(std::size_t at, unsigned bytes) const {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value = value << 8 | static_cast<std::uint8_t>(payload.at(at + i));
    return value;
  }
};

// The whole frames at the beginning of `bytes`; `rest` becomes what is left.
inline std::vector<Frame> split(std::string_view bytes, std::string_view* rest = nullptr) {
  const auto byte = [&](std::size_t at) {
    return static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at]));
  };
  std::vector<Frame> frames;
  while (bytes.size() >= 9) {
    const std::size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (bytes.size() < 9 + size) break;
    const std::uint32_t stream = (byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8)) & 0x7FFFFFFFU;
    frames.push_back({static_cast<std::uint8_t>(byte(3)), static_cast<std::uint8_t>(byte(4)), stream,
                      std::string(bytes.substr(9, size))});
    bytes.remove_prefix(9 + size);
  }
  if (rest != nullptr) *rest = bytes;
  return frames;
}

}  // namespace sluice::test::h2
