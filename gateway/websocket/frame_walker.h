// Walks the frames of one direction of a tunnel (RFC 6455 5): where they begin and end, what they are, how many, and whether they
// may be sent at all. Looks at headers and whole Close frames where they lie; copies no payload. No I/O. One direction of one
// tunnel owns it.
#pragma once

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "gateway/websocket/frame.h"
#include "metrics/registry.h"
#include "metrics/websocket_violation.h"

namespace sluice::websocket {

using metrics::Violation;

// Frames and messages count when their header is whole, payload bytes as they pass: a huge frame that takes
// an hour shows progress in payload_bytes alone.
struct FrameCounts {
  std::uint64_t messages = 0;       // final data frames
  std::uint64_t fragments = 0;      // data frames that do not end a message
  std::uint64_t payload_bytes = 0;  // of data frames
  std::uint64_t dropped = 0;        // messages that were not passed on; they count as messages and frames all the same
  std::uint32_t pings = 0;
  std::uint32_t pongs = 0;
  std::uint32_t closes = 0;

  std::uint64_t control_frames() const noexcept { return std::uint64_t{pings} + pongs + closes; }
  std::uint64_t data_frames() const noexcept { return messages + fragments; }
  std::uint64_t frames() const noexcept { return data_frames() + control_frames(); }
};

// What becomes of a frame that may be sent.
enum class Fate : std::uint8_t {
  passes,
  dropped,    // a message in one frame, while such are dropped
  swallowed,  // the Pong that answers the gateway's own Ping, or a Close in whose place the gateway puts its own
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
  FrameWalker() : FrameWalker(FrameRules{}) {}
  // `sizes`: of messages, told when the header of their last frame is whole; null: nobody wants to know.
  explicit FrameWalker(const FrameRules& rules, metrics::Histogram* sizes = nullptr) noexcept;

  // For looking at bytes that may not be taken now: the copy counts nothing outside itself.
  FrameWalker look_ahead() const noexcept {
    FrameWalker ahead = *this;
    ahead.sizes_ = nullptr;
    return ahead;
  }
  // What it saw has come: at most one frame's header.
  void adopt(const FrameWalker& ahead) noexcept;

  // Accounts for bytes that come in this order. Returns how many of them have been judged, all of which have one fate(): all bytes,
  // except that it stops
  // - before a header, or a Close frame, that is not whole: its bytes are to be given again, with what follows them. At most kMaxHeld.
  // - right behind a whole Close frame (nothing may follow it): 0 from then on.
  // - before a frame whose fate is another one: to be called again with the rest.
  // - before a frame that has to wait: waits() then, until more are allowed.
  // - before a frame that breaks a rule: violation() is set then. After that it judges and counts nothing any more, so that what
  //   is thrown away can still be looked through for a Close.
  std::size_t walk(const char* data, std::size_t size) noexcept;
  static constexpr std::size_t kMaxHeld = 2 + FrameHeader::kMaskSize + FrameHeader::kMaxControlPayload - 1;

  Fate fate() const noexcept { return state_.fate; }

  // Of what counts against a rate, so much may come: a message's first frame, a Ping or Pong, a fragment without payload. Everything
  // that costs no bytes counts, or the rate could be got round.
  static constexpr std::uint32_t kUnlimited = std::numeric_limits<std::uint32_t>::max();
  void allow(std::uint32_t units) noexcept {
    allowance_ = units;
    state_.limited = units != kUnlimited;
    state_.waits = false;
  }
  std::uint32_t allowance() const noexcept { return allowance_; }
  bool waits() const noexcept { return state_.waits; }
  // So many Pongs answer Pings of the other side, which has asked for them: they do not count.
  void expect_answers(std::uint32_t pongs) noexcept { free_pongs_ += pongs; }
  // From the next message on those are dropped that are in one frame: of others the receiver may have the beginning.
  void drop_messages(bool drops) noexcept { state_.drops = drops; }
  bool drops_messages() const noexcept { return state_.drops; }
  // The next Pong with this payload is swallowed; it is whole in a walk() then. So is a late one to a Ping before it, when each has said
  // one more than the one before.
  void expect_pong(std::uint64_t payload) noexcept {
    pongs_expected_ = static_cast<std::uint16_t>(payload == pong_ + 1 ? std::min(pongs_expected_ + 1, kMostPongs) : 1);
    pong_ = payload;
    state_.pong_expected = true;
  }
  bool pong_expected() const noexcept { return state_.pong_expected; }
  std::uint64_t last_pong() const noexcept { return pong_; }  // of those that were expected
  // From now on a Close is.
  void swallow_close() noexcept { state_.swallows_close = true; }

  // Of `data`, which has not been walked yet, the length of the longest prefix that ends on a frame boundary,
  // without changing any state; 0 when the current frame does not end inside. (For putting a frame of our own
  // in between.)
  std::size_t boundary_within(const char* data, std::size_t size) const noexcept;

  // Data frames whose payload has this size or more pass best without being looked at.
  static constexpr std::uint64_t kLargePayload = 32 * 1024;
  // Of a data frame's payload, what has not passed; 0 when something else is due, at a boundary for example.
  std::uint64_t data_left() const noexcept { return state_.control ? 0 : payload_left_; }
  // Whether the next data frame is likely to be a large one: the last one was, and nobody knows better.
  bool frames_are_large() const noexcept { return state_.large; }
  void expect_small() noexcept { state_.large = false; }
  // Accounts for bytes of the payload that nobody saw; at most data_left().
  void pass_unseen(std::uint64_t size) noexcept;
  // Of the bytes that were walked, the last `size` have not passed after all: they come next, as payload does. Of a data frame.
  void take_back(std::size_t size) noexcept;

  // Of what the receiver gets.
  bool at_boundary() const noexcept { return payload_left_ == 0 || state_.fate == Fate::dropped; }
  // Of the frame that is passing, so much payload is still to come.
  std::uint64_t passing_left() const noexcept { return at_boundary() ? 0 : payload_left_; }
  bool close_seen() const noexcept { return state_.close_seen; }  // a whole Close frame has passed
  // Nothing until close_seen(). 1005 when the Close carried no code.
  std::optional<std::uint16_t> close_code() const noexcept;
  Violation violation() const noexcept { return state_.violation; }
  // Somebody who looks at payloads has seen one: of what was walked last. It goes on as behind any other.
  void refuse(Violation violation) noexcept { state_.violation = violation; }
  // With `observe`: what would have been violations since it was asked last.
  struct Observed {
    std::uint32_t frames = 0;    // too big
    std::uint32_t messages = 0;
  };
  Observed take_observed() noexcept { return std::exchange(observed_, {}); }
  const FrameCounts& counts() const noexcept { return counts_; }

 private:
  // A message in one frame that may be sent when the state is usual.
  struct SimpleFrame {
    std::size_t header = 0;
    std::size_t payload = std::numeric_limits<std::size_t>::max();  // there is none: no read brings so much
  };
  SimpleFrame simple_frame(const char* data, std::size_t size) const noexcept;
  void count_message(std::size_t payload) noexcept;
  std::size_t take_simple(const char* data, std::size_t size) noexcept;
  std::size_t walk_on(const char* data, std::size_t size) noexcept;
  // A header, with a Close all of it; how many bytes that took. 0: it is not whole, or must not pass.
  std::size_t take_header(const char* data, std::size_t size, bool begins_run) noexcept;
  std::size_t take_payload(std::size_t size) noexcept;
  std::size_t skip_header(const FrameHeader& header) noexcept;
  std::size_t take_close(const FrameHeader& header, std::size_t size) noexcept;
  Fate fate_of(const FrameHeader& header) const noexcept;
  std::uint64_t pongs_behind(const FrameHeader& header) const noexcept;
  bool has_to_wait(const FrameHeader& header) noexcept;
  void charge(const FrameHeader& header) noexcept;
  Violation judge(const FrameHeader& header) noexcept;
  Violation judge_size(std::uint64_t payload) noexcept;
  void begin_data(const FrameHeader& header) noexcept;

  static constexpr int kMostPongs = std::numeric_limits<std::uint16_t>::max();

  // What is not so of most frames.
  struct Unusual {
    Violation violation = Violation::none;
    Fate fate = Fate::passes;    // of the current frame
    bool control = false;        // the current frame is one, or is thrown away
    bool large = false;          // the last data frame
    bool in_message = false;     // a frame that does not end it has begun
    bool drops = false;
    bool pong_expected = false;
    bool close_seen : 1 = false;
    bool limited : 1 = false;    // the allowance says how many may come
    bool waits : 1 = false;
    bool swallows_close : 1 = false;
    std::uint8_t none : 4 = 0;   // so that every bit is somebody's
  };
  // Whether the next frame may be taken the short way: one comparison says so.
  bool is_usual() const noexcept { return (std::bit_cast<std::uint64_t>(state_) | payload_left_) == 0; }
  bool is_usual_but_limited() const noexcept {
    Unusual but = state_;
    but.limited = false;
    return (std::bit_cast<std::uint64_t>(but) | payload_left_) == 0;
  }

  Unusual state_;
  std::uint64_t payload_left_ = 0;
  std::uint32_t allowance_ = kUnlimited;
  // Of a simple frame's header: what its first four bytes have in common with others', see simple_frame(); how many lengths beyond a
  // short one it may have, and the longest short one.
  std::uint32_t simple_mask_;
  std::uint32_t simple_value_;
  std::uint16_t simple_lengths_;
  std::uint8_t most_short_;
  std::uint8_t simple_header_;  // its size, with a short length
  FrameCounts counts_;
  metrics::Histogram* sizes_;
  std::uint64_t message_size_ = 0;  // of the current message, as the headers taken the long way say
  FrameRules rules_;
  Observed observed_ = {};
  std::uint32_t free_pongs_ = 0;
  std::uint16_t close_code_ = kNoStatus;
  std::uint16_t pongs_expected_ = 0;
  std::uint64_t pong_ = 0;  // the last of them
};
// Every idle tunnel owns two.
static_assert(sizeof(FrameWalker) <= 144);

}  // namespace sluice::websocket
