#include "gateway/http2/frame_guard.h"

#include <algorithm>
#include <cstring>

namespace sluice::http2 {
namespace {

enum Type : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kPushPromise = 5,
  kWindowUpdate = 8,
  kContinuation = 9
};
constexpr std::uint8_t kEndStream = 0x1;
constexpr std::uint8_t kEndHeaders = 0x4;
constexpr std::uint8_t kPadded = 0x8;
constexpr std::size_t kPrioritySize = 5;

}  // namespace

FrameGuard::Step FrameGuard::check(std::string_view bytes, Glitches::Time now) noexcept {
  if (fault_ != Code::no_error) return {0, fault_};
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t skipped = std::min(to_skip_, bytes.size() - at);
    to_skip_ -= skipped;
    at += skipped;
    if (to_skip_ == 0 && head_size_ == 0) frame_ended();
    const std::size_t frame = at;
    while (at < bytes.size() && head_size_ < wanted()) {
      const std::size_t taken = std::min(wanted() - head_size_, bytes.size() - at);
      std::memcpy(head_.data() + head_size_, bytes.data() + at, taken);
      head_size_ = static_cast<std::uint8_t>(head_size_ + taken);
      at += taken;
    }
    if (head_size_ < wanted()) break;
    fault_ = check_frame(now);
    if (fault_ != Code::no_error) return {frame, fault_};
    to_skip_ = kHeader + length() - head_size_;
    head_size_ = 0;
    if (to_skip_ == 0) frame_ended();
  }
  return {bytes.size(), Code::no_error};
}

void FrameGuard::frame_ended() noexcept {
  if (!in_head_block_) head_under_way_ = false;
}

std::size_t FrameGuard::wanted() const noexcept {
  if (head_size_ < kHeader) return kHeader;
  if (type() == kPriority && length() == kPrioritySize) return kHeader + kDependency;
  if (type() == kData && (flags() & kPadded) != 0 && length() > 0) return kHeader + kPadLength;
  return kHeader;
}

std::uint32_t FrameGuard::number_at(std::size_t at) const noexcept {
  std::uint32_t number = 0;
  for (std::size_t i = at; i < at + 4; ++i) number = number << 8 | static_cast<std::uint8_t>(head_[i]);
  return number;
}

Code FrameGuard::broken(Violation violation, Code code) noexcept {
  violation_ = violation;
  return code;
}

Code FrameGuard::judge(Violation violation) noexcept {
  return violation == Violation::none ? Code::no_error : broken(violation, Code::enhance_your_calm);
}

Code FrameGuard::check_frame(Glitches::Time now) noexcept {
  if (in_head_block_) return check_block(now);
  switch (type()) {
    case kPriority:
      return check_priority(now);
    case kRstStream:
      return check_reset(now);
    case kData:
    case kHeaders:
      return check_message(now);
    case kWindowUpdate:
      return judge(glitches_.window_update(now));
    case kPushPromise:
    case kContinuation:
      return Code::no_error;  // wrong here, and nghttp2 sees to it
    default:
      return idle_frame(now);
  }
}

// The rest of a head. Whatever else comes is an error that nghttp2 sees.
Code FrameGuard::check_block(Glitches::Time now) noexcept {
  if (type() != kContinuation) return Code::no_error;
  in_head_block_ = (flags() & kEndHeaders) == 0;
  if (++continuations_ > max_continuations_) return broken(Violation::continuations, Code::enhance_your_calm);
  return length() == 0 ? idle_frame(now) : Code::no_error;
}

Code FrameGuard::check_priority(Glitches::Time now) noexcept {
  if (stream() == 0) return broken(Violation::protocol, Code::protocol_error);
  if (length() != kPrioritySize) return idle_frame(now);  // nghttp2 sees to it
  const auto dependency = static_cast<StreamId>(number_at(kHeader) & 0x7FFFFFFFU);
  return dependency == stream() ? broken(Violation::protocol, Code::protocol_error) : idle_frame(now);
}

// One for a stream that is closed changes nothing.
Code FrameGuard::check_reset(Glitches::Time now) noexcept {
  const StreamId id = stream();
  ended_.add(id);
  if (finished_.contains(id)) return idle_frame(now);
  finished_.add(id);
  return judge(glitches_.reset(now));
}

Code FrameGuard::check_message(Glitches::Time now) noexcept {
  const StreamId id = stream();
  if (ended_.contains(id)) return broken(Violation::closed_stream, Code::stream_closed);
  if (is_skipped(id)) return broken(Violation::protocol, Code::protocol_error);
  const bool ends = (flags() & kEndStream) != 0;
  if (ends) ended_.add(id);
  // That it has ended already may be forgotten: then its end is nothing new, as far as anybody knows.
  const bool old = RecentStreams::may_forget(id, highest_);
  if (type() == kData) return (ends && !old) || has_content() ? Code::no_error : idle_frame(now);
  in_head_block_ = (flags() & kEndHeaders) == 0;
  head_under_way_ = true;
  ++heads_;
  continuations_ = 0;
  open(id);
  return old || finished_.contains(id) ? idle_frame(now) : Code::no_error;
}

// Of a DATA frame.
bool FrameGuard::has_content() const noexcept {
  if ((flags() & kPadded) == 0 || length() == 0) return length() > 0;
  return length() > kPadLength + static_cast<std::uint8_t>(head_[kHeader]);
}

void FrameGuard::open(StreamId id) noexcept {
  if (id <= highest_ || id % 2 == 0) return;  // trailers; no client may open it, and nghttp2 sees to that
  if (id != highest_ + 2) gaps_[next_gap_++ % gaps_.size()] = {highest_ + 2, id - 2};
  highest_ = id;
  glitches_.request_came();
}

bool FrameGuard::is_skipped(StreamId id) const noexcept {
  return std::any_of(gaps_.begin(), gaps_.end(),
                     [id](const Gap& gap) { return id >= gap.first && id <= gap.last && id != 0; });
}

}  // namespace sluice::http2
