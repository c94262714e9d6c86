// Walks the frame headers of one direction of a tunnel (RFC 6455 5.2): where frames begin and end, what they
// are, how many; copies and buffers no payload but a Close frame's first two bytes. No I/O. One direction of
// one tunnel owns it.
//
// It accounts, it does not judge: reserved opcodes (3-7 as data, 11-15 as control), reserved bits, missing
// masks and oversized control frames pass, since both ends check those themselves. Every byte sequence is a
// valid input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::websocket {

// A Close code: whoever sends it ends, or has waited long enough (RFC 6455 7.4.1).
inline constexpr std::uint16_t kGoingAway = 1001;

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// Frames and messages count when their header is whole, payload bytes as they pass: a huge frame that takes
// an hour shows progress in payload_bytes alone.
struct FrameCounts {
  std::uint64_t data_frames = 0;
  std::uint64_t control_frames = 0;
  std::uint64_t messages = 0;       // final data frames seen
  std::uint64_t payload_bytes = 0;  // of data frames
};

class FrameWalker {
 public:
  // Accounts for bytes that pass in this order. Returns how many of them were walked: all, except that
  // walking stops right behind a whole Close frame (nothing may follow it), and is 0 from then on.
  std::size_t walk(const char* data, std::size_t size) noexcept;

  // Of `data`, which has not been walked yet, the length of the longest prefix that ends on a frame boundary,
  // without changing any state; 0 when the current frame does not end inside. (For putting a frame of our own
  // in between.)
  std::size_t boundary_within(const char* data, std::size_t size) const noexcept;

  // Data frames whose payload has this size or more pass best without being looked at.
  static constexpr std::uint64_t kLargePayload = 32 * 1024;
  static constexpr std::size_t kMaxHeader = 14;
  // Of a data frame's payload, what has not passed; 0 when something else is due, at a boundary for example.
  std::uint64_t data_left() const noexcept;
  // Whether the next data frame is likely to be a large one: the last one was, and nobody knows better.
  bool frames_are_large() const noexcept { return large_; }
  void expect_small() noexcept { large_ = false; }
  // Accounts for bytes of the payload that nobody saw; at most data_left().
  void pass_unseen(std::uint64_t size) noexcept;

  bool at_boundary() const noexcept { return header_have_ == 0 && payload_left_ == 0; }
  bool close_seen() const noexcept { return close_seen_; }  // a whole Close frame has passed
  // Nothing until close_seen(). 1005 when the Close carried no code; 1002 when its payload was a single byte,
  // which is no code but a protocol error (RFC 6455 5.5.1); else the code, unmasked.
  std::optional<std::uint16_t> close_code() const noexcept;
  const FrameCounts& counts() const noexcept { return counts_; }

 private:
  // One header (or a part of it) or one payload (or a part of it); how many bytes that took.
  std::size_t step(const char* data, std::size_t size) noexcept;
  std::size_t take_header(const char* data, std::size_t size) noexcept;
  std::size_t take_payload(const char* data, std::size_t size) noexcept;
  void begin_frame(const std::uint8_t* header, std::size_t header_size) noexcept;
  void take_close_byte(std::uint8_t byte) noexcept;

  FrameCounts counts_;
  std::uint64_t payload_left_ = 0;
  std::uint8_t header_[kMaxHeader] =
      {};                         // a header that came in pieces; a Close frame's until its code has passed
  std::uint8_t header_have_ = 0;  // 0 while a payload passes
  std::uint8_t opcode_ = 0;       // of the current frame
  bool close_seen_ = false;
  bool large_ = false;            // the last data frame
  std::uint8_t close_bytes_ = 0;  // of the two code bytes
  std::uint16_t close_code_ = 0;
};
// Every idle tunnel owns two.
static_assert(sizeof(FrameWalker) <= 64);

// A Close frame with code and reason (cut to 123 bytes, between UTF-8 characters), masked with `mask` when it
// goes to a server. The codes that must never be sent (1005, 1006, 1015: RFC 6455 7.4.1) make a Close frame
// without a payload.
std::string make_close_frame(std::uint16_t code, std::string_view reason, std::optional<std::uint32_t> mask);

}  // namespace sluice::websocket
