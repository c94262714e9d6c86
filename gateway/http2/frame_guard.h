// Looks at the headers of the frames that a client sends, before nghttp2 does: for what that lets pass, since
// without the priorities of RFC 7540 it forgets a stream as soon as it is closed, and for floods. Each of it ends
// the connection:
//
//   DATA or HEADERS on a stream that the client has ended            STREAM_CLOSED (RFC 9113 5.1)
//   DATA or HEADERS on a stream that the client has skipped          PROTOCOL_ERROR (5.1.1)
//   more CONTINUATION frames than any head needs                     ENHANCE_YOUR_CALM
//   more than Glitches lets pass                                     ENHANCE_YOUR_CALM
//   PRIORITY on stream 0, or of a stream that depends on itself      PROTOCOL_ERROR (6.3; RFC 7540 5.3.1)
//
// What it cannot know for sure passes: frames for a stream that this side has reset may still be under way.
// One connection owns it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/http2/codes.h"
#include "gateway/http2/glitches.h"
#include "gateway/http2/recent_streams.h"

namespace sluice::http2 {

struct GuardRules {
  std::uint16_t max_continuations = 8;  // of one head; each may have 16 KiB
  config::OptionalRate max_resets = config::Rate{100, std::chrono::seconds(1)};
  std::uint32_t max_streams = 128;
};

class FrameGuard {
 public:
  using Violation = metrics::Http2Violation;

  explicit FrameGuard(const GuardRules& rules = {}) noexcept
      : max_continuations_(rules.max_continuations), glitches_(rules.max_resets, rules.max_streams) {}

  struct Step {
    std::size_t good = 0;  // so many of the bytes may go on
    Code fault =
        Code::no_error;  // of the frame that begins behind them, or before them: nothing more may go on, ever
  };
  // The next bytes of the connection, from its preface on, in pieces of any size.
  Step check(std::string_view bytes, Glitches::Time now) noexcept;
  Violation violation() const noexcept { return violation_; }  // with a fault

  // This side has ended the stream, or reset it: what the client says of it now is late.
  void finished(StreamId id) noexcept { finished_.add(id); }
  void data_sent() noexcept { glitches_.data_sent(); }
  // This side resets a stream for the client's fault. False: it was one too many.
  bool reset_for_fault(Glitches::Time now) noexcept { return glitches_.reset(now) == Violation::none; }

  // The number of the head that has begun and not ended, counted from 1; 0: there is none.
  std::uint64_t head_under_way() const noexcept { return head_under_way_ ? heads_ : 0; }

 private:
  static constexpr std::size_t kPreface = 24;
  static constexpr std::size_t kHeader = 9;
  static constexpr std::size_t kDependency = 4;  // what is looked at of a PRIORITY frame's payload
  static constexpr std::size_t kPadLength = 1;   // of a padded DATA frame's

  struct Gap {
    StreamId first = 0, last = 0;
  };

  std::size_t wanted() const noexcept;
  std::uint32_t number_at(std::size_t at) const noexcept;
  std::size_t length() const noexcept { return number_at(0) >> 8; }
  std::uint8_t type() const noexcept { return static_cast<std::uint8_t>(head_[3]); }
  std::uint8_t flags() const noexcept { return static_cast<std::uint8_t>(head_[4]); }
  StreamId stream() const noexcept { return static_cast<StreamId>(number_at(5) & 0x7FFFFFFFU); }

  Code check_frame(Glitches::Time now) noexcept;
  Code check_block(Glitches::Time now) noexcept;
  Code check_priority(Glitches::Time now) noexcept;
  Code check_reset(Glitches::Time now) noexcept;
  Code check_message(Glitches::Time now) noexcept;
  Code judge(Violation violation) noexcept;
  Code idle_frame(Glitches::Time now) noexcept { return judge(glitches_.idle_frame(now)); }
  Code broken(Violation violation, Code code) noexcept;
  bool has_content() const noexcept;
  void frame_ended() noexcept;
  void open(StreamId id) noexcept;
  bool is_skipped(StreamId id) const noexcept;

  std::size_t to_skip_ = kPreface;
  std::array<char, kHeader + kDependency> head_{};
  std::uint8_t head_size_ = 0;      // what is there of it; its bytes have gone on already
  bool in_head_block_ = false;      // only CONTINUATION may come, which nghttp2 sees to
  bool head_under_way_ = false;     // the same, until the last byte of the last frame
  const std::uint16_t max_continuations_;
  std::uint16_t continuations_ = 0;  // of this block
  std::uint64_t heads_ = 0;
  Code fault_ = Code::no_error;
  Violation violation_ = Violation::none;

  StreamId highest_ = -1;  // that a HEADERS frame has named
  // The last ones: who skips streams is no browser.
  std::array<Gap, 4> gaps_{};
  std::size_t next_gap_ = 0;
  RecentStreams ended_;     // by the client
  RecentStreams finished_;  // by this side, or reset by either
  Glitches glitches_;
};

}  // namespace sluice::http2
