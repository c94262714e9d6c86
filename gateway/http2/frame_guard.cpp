#include "gateway/http2/frame_guard.h"

#include <algorithm>
#include <cstring>

namespace sluice::http2 {
namespace {

enum Type : std::uint8_t { kData = 0, kHeaders = 1, kPriority = 2, kRstStream = 3, kContinuation = 9 };
constexpr std::uint8_t kEndStream = 0x1;
constexpr std::uint8_t kEndHeaders = 0x4;
constexpr std::size_t kPrioritySize = 5;
constexpr std::uint8_t kMaxContinuations = 8;  // each may have 16 KiB

}  // namespace

FrameGuard::Step FrameGuard::check(std::string_view bytes) noexcept {
  if (fault_ != Code::no_error) return {0, fault_};
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t skipped = std::min(to_skip_, bytes.size() - at);
    to_skip_ -= skipped;
    at += skipped;
    const std::size_t frame = at;
    while (at < bytes.size() && head_size_ < wanted()) {
      const std::size_t taken = std::min(wanted() - head_size_, bytes.size() - at);
      std::memcpy(head_.data() + head_size_, bytes.data() + at, taken);
      head_size_ = static_cast<std::uint8_t>(head_size_ + taken);
      at += taken;
    }
    if (head_size_ < wanted()) break;
    fault_ = check_frame();
    if (fault_ != Code::no_error) return {frame, fault_};
    to_skip_ = kHeader + length() - head_size_;
    head_size_ = 0;
  }
  return {bytes.size(), Code::no_error};
}

std::size_t FrameGuard::wanted() const noexcept {
  const bool priority = head_size_ >= kHeader && type() == kPriority && length() == kPrioritySize;
  return priority ? kHeader + kDependency : kHeader;
}

std::uint32_t FrameGuard::number_at(std::size_t at) const noexcept {
  std::uint32_t number = 0;
  for (std::size_t i = at; i < at + 4; ++i) number = number << 8 | static_cast<std::uint8_t>(head_[i]);
  return number;
}

Code FrameGuard::check_frame() noexcept {
  if (in_head_block_) return check_block();
  switch (type()) {
    case kPriority:
      return check_priority();
    case kRstStream:
      ended_.add(stream());
      return Code::no_error;
    case kData:
    case kHeaders:
      return check_message();
    default:
      return Code::no_error;
  }
}

// The rest of a head. Whatever else comes is an error that nghttp2 sees.
Code FrameGuard::check_block() noexcept {
  if (type() != kContinuation) return Code::no_error;
  in_head_block_ = (flags() & kEndHeaders) == 0;
  return ++continuations_ > kMaxContinuations ? Code::enhance_your_calm : Code::no_error;
}

Code FrameGuard::check_priority() const noexcept {
  if (stream() == 0) return Code::protocol_error;
  if (length() != kPrioritySize) return Code::no_error;  // nghttp2 sees to it
  const auto dependency = static_cast<StreamId>(number_at(kHeader) & 0x7FFFFFFFU);
  return dependency == stream() ? Code::protocol_error : Code::no_error;
}

Code FrameGuard::check_message() noexcept {
  const StreamId id = stream();
  if (ended_.contains(id)) return Code::stream_closed;
  if (is_skipped(id)) return Code::protocol_error;
  if (type() == kHeaders) {
    in_head_block_ = (flags() & kEndHeaders) == 0;
    continuations_ = 0;
    open(id);
  }
  if ((flags() & kEndStream) != 0) ended_.add(id);
  return Code::no_error;
}

void FrameGuard::open(StreamId id) noexcept {
  if (id <= highest_ || id % 2 == 0) return;  // trailers; no client may open it, and nghttp2 sees to that
  if (id != highest_ + 2) gaps_[next_gap_++ % gaps_.size()] = {highest_ + 2, id - 2};
  highest_ = id;
}

bool FrameGuard::is_skipped(StreamId id) const noexcept {
  return std::any_of(gaps_.begin(), gaps_.end(),
                     [id](const Gap& gap) { return id >= gap.first && id <= gap.last && id != 0; });
}

}  // namespace sluice::http2
