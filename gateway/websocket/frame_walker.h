// Walks the frames of one direction of a tunnel (RFC 6455 5): where they begin and end, what they are, how many, and whether they
// may be sent at all. Looks at headers and whole Close frames where they lie; copies no payload. No I/O. One direction of one
// tunnel owns it.
#pragma once

#include <limits>
#include <utility>

#include "gateway/websocket/frame.h"
#include "metrics/websocket_violation.h"

namespace sluice::websocket {

using metrics::Violation;

// Frames and messages count when their header is whole, payload bytes as they pass: a huge frame that takes
// an hour shows progress in payload_bytes alone.
struct FrameCounts {
  std::uint64_t data_frames = 0;
  std::uint64_t control_frames = 0;
  std::uint64_t messages = 0;       // final data frames seen
  std::uint64_t payload_bytes = 0;  // of data frames
};

// What the frames of one direction have to be.
struct FrameRules {
  static constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();

  std::uint64_t max_frame = kAny;  // bytes of payload, on the wire
  std::uint64_t max_message = kAny;
  bool observe = false;            // what is beyond them passes, and is told of
  bool masked = false;             // the sender is a client
  std::uint8_t reserved_bits = 0;  // that an extension gives a meaning in the first frame of a message
  bool any_reserved_bits = false;  // an extension of which we know nothing was agreed on
};

class FrameWalker {
 public:
  FrameWalker() = default;
  explicit FrameWalker(const FrameRules& rules) : rules_(rules) {}

  // Accounts for bytes that pass in this order. Returns how many of them may pass: all, except that it stops
  // - before a header, or a Close frame, that is not whole: its bytes are to be given again, with what follows them. At most kMaxHeld.
  // - right behind a whole Close frame (nothing may follow it): 0 from then on.
  // - before a frame that breaks a rule: violation() is set then. After that it judges and counts nothing any more, so that what
  //   is thrown away can still be looked through for a Close.
  std::size_t walk(const char* data, std::size_t size) noexcept;
  static constexpr std::size_t kMaxHeld = 2 + FrameHeader::kMaskSize + FrameHeader::kMaxControlPayload - 1;

  // Of `data`, which has not been walked yet, the length of the longest prefix that ends on a frame boundary,
  // without changing any state; 0 when the current frame does not end inside. (For putting a frame of our own
  // in between.)
  std::size_t boundary_within(const char* data, std::size_t size) const noexcept;

  // Data frames whose payload has this size or more pass best without being looked at.
  static constexpr std::uint64_t kLargePayload = 32 * 1024;
  // Of a data frame's payload, what has not passed; 0 when something else is due, at a boundary for example.
  std::uint64_t data_left() const noexcept { return payload_left_is_data_ ? payload_left_ : 0; }
  // Whether the next data frame is likely to be a large one: the last one was, and nobody knows better.
  bool frames_are_large() const noexcept { return large_; }
  void expect_small() noexcept { large_ = false; }
  // Accounts for bytes of the payload that nobody saw; at most data_left().
  void pass_unseen(std::uint64_t size) noexcept;
  // Of the bytes that were walked, the last `size` have not passed after all: they come next, as payload does. Of a data frame.
  void take_back(std::size_t size) noexcept;

  bool at_boundary() const noexcept { return payload_left_ == 0; }
  bool close_seen() const noexcept { return close_seen_; }  // a whole Close frame has passed
  // Nothing until close_seen(). 1005 when the Close carried no code.
  std::optional<std::uint16_t> close_code() const noexcept;
  Violation violation() const noexcept { return violation_; }
  // With `observe`: what would have been a violation since it was asked last.
  Violation take_observed() noexcept { return std::exchange(observed_, Violation::none); }
  const FrameCounts& counts() const noexcept { return counts_; }

 private:
  // A header, with a Close all of it; how many bytes that took. 0: it is not whole, or must not pass.
  std::size_t take_header(const char* data, std::size_t size) noexcept;
  std::size_t take_payload(std::size_t size) noexcept;
  std::size_t skip_header(const FrameHeader& header) noexcept;
  std::size_t take_close(const FrameHeader& header, std::size_t size) noexcept;
  Violation judge(const FrameHeader& header) noexcept;
  Violation judge_size(std::uint64_t payload) noexcept;
  void begin_data(const FrameHeader& header) noexcept;

  FrameCounts counts_;
  std::uint64_t payload_left_ = 0;
  std::uint64_t message_size_ = 0;  // of the current message, as its headers say
  FrameRules rules_;
  std::uint16_t close_code_ = kNoStatus;
  Violation violation_ = Violation::none;
  Violation observed_ = Violation::none;
  bool payload_left_is_data_ = false;
  bool in_message_ = false;  // a frame that does not end it has begun
  bool close_seen_ = false;
  bool large_ = false;  // the last data frame
};
// Every idle tunnel owns two.
static_assert(sizeof(FrameWalker) <= 88);

// What is to be said to the side that broke the rule.
std::uint16_t close_code_for(Violation violation) noexcept;

}  // namespace sluice::websocket
