// The reading half of Stream.
#include "gateway/http2/stream.h"

#include <algorithm>
#include <cstring>

#include "gateway/http2/carrier.h"
#include "tls/stream_error.h"

namespace sluice::http2 {

using tls::StreamError;

tls::ReadResult Stream::read_some(char* data, std::size_t size) {
  if (!put_back_.empty()) {
    const std::size_t n = std::min(size, put_back_.size());
    std::memcpy(data, put_back_.data(), n);
    if (n == put_back_.size()) {
      std::string().swap(put_back_);  // assigning would keep the memory
    } else {
      put_back_.erase(0, n);
    }
    return {n, {}};
  }
  const std::size_t there = available();
  if (there == 0) return {0, error_ ? error_ : make_error_code(peer_ended_ ? StreamError::eof : StreamError::would_block)};
  const std::size_t n = std::min(size, there);
  std::memcpy(data, came_.data() + came_used_, n);
  use_up(n);
  return {n, {}};
}

std::size_t Stream::available() const noexcept {
  const std::size_t there = came_.size() - came_used_;
  return peer_ended_ || there < left_of_length_ ? there : static_cast<std::size_t>(left_of_length_ - 1);
}

// The window opens by what was read.
void Stream::use_up(std::size_t size) {
  came_used_ += size;
  left_of_length_ -= size;
  if (came_used_ == came_.size()) {
    drop_what_came();
  } else if (came_used_ >= came_.size() - came_used_) {  // moving the rest costs no more than reading that did
    forget_what_was_read();
  }
  if (connection_ == nullptr || closed_ || peer_ended_) return;
  connection_->session_.consumed(id_, size);
  connection_->flush_later();
}

// A reader that never comes to the end would let it grow by all that passes.
void Stream::forget_what_was_read() noexcept {
  came_.erase(0, came_used_);
  came_used_ = 0;
  const std::size_t held = std::min(came_held_, came_.size());
  if (held < came_held_) io_.give_back_held(came_held_ - held);
  came_held_ = held;
}

void Stream::drop_what_came() noexcept {
  if (came_held_ > 0) io_.give_back_held(std::exchange(came_held_, 0));
  FrameString().swap(came_);
  came_used_ = 0;
}

std::optional<Stream::Head> Stream::take_head() {
  if (heads_.empty()) return std::nullopt;
  Head first = std::move(heads_.front());
  heads_.erase(heads_.begin());
  heads_share_.give_back(std::exchange(taken_head_, first.size > kFreeHead ? first.size : 0));
  return first;
}

void Stream::unread(std::string_view bytes) {
  if (!bytes.empty()) put_back_.insert(0, bytes);
}

void Stream::on_readable(Callback callback, void* context) {
  readable_ = {callback, context};
  if (readable_now()) wake_reader_later();
}

void Stream::yield(Callback callback, void* context) {
  readable_ = {callback, context};
  wake_reader_later();
}

Awaitable<> Stream::wait_readable() {
  read_waiter_.reset();
  if (readable_now()) wake_reader_later();
  co_await read_waiter_.wait();
}

void Stream::interrupt_wait() noexcept {
  if (read_waiter_.waiting()) wake_reader_later();
}

void Stream::watch_end(Callback on_end, void* context) {
  end_ = {on_end, context};
  if (error_) wake_reader_later();
}

}  // namespace sluice::http2
