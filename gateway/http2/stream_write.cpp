// The writing half of Stream.
#include "gateway/http2/stream.h"

#include <algorithm>
#include <cassert>

#include "gateway/http2/carrier.h"
#include "tls/stream_error.h"

namespace sluice::http2 {

using tls::StreamError;

void Stream::respond(unsigned status, const http::Headers& headers, bool with_body) {
  if (connection_ == nullptr || closed_) return;
  connection_->session_.respond(id_, status, headers, with_body);
  if (!with_body) end_due_ = end_sent_ = true;  // not before: without memory for it, nothing was sent
  connection_->flush_later();
}

void Stream::inform(unsigned status, const http::Headers& headers) {
  if (connection_ == nullptr || closed_) return;
  connection_->session_.inform(id_, status, headers);
  connection_->flush_later();
}

// It shares the connection with others from its first byte on, whatever its client said of the request.
void Stream::open_tunnel(const http::Headers& headers) {
  tunnel_ = true;
  respond(200, headers, true);
  if (connection_ != nullptr && !closed_) connection_->session_.make_incremental(id_);
}

// The parts are lent to the session, which takes what may leave now; what it leaves of them is kept.
ErrorCode Stream::send(std::initializer_list<std::string_view> parts, bool last, const http::Headers* trailers) {
  if (write_error_ || connection_ == nullptr || closed_ || end_due_) return write_error_;
  end_due_ = last;
  last_trailers_ = trailers;
  lent_ = {parts.begin(), parts.size()};
  try {
    connection_->session_.resume(id_);
    connection_->make();
    keep_lent();
    if (trailers != nullptr && !end_sent_) keep_trailers(*trailers);
  } catch (...) {  // memory ran out: what is the caller's is not looked at any more, nor is what has left taken for the whole message
    forget_lent();
    last_trailers_ = nullptr;
    reset(Code::internal_error, std::make_error_code(std::errc::not_enough_memory));
    throw;
  }
  forget_lent();
  if (end_due_ && !end_sent_ && !write_error_ && kept_ == 0) await_writing();
  return write_error_;
}

void Stream::forget_lent() noexcept {
  lent_ = {};
  lent_used_ = 0;
}

void Stream::keep_trailers(const http::Headers& trailers) {
  for (const http::Field& field : trailers) kept_trailers_.add(field.name, field.value);
  last_trailers_ = &kept_trailers_;
}

std::size_t Stream::lent() const noexcept {
  std::size_t size = 0;
  for (const std::string_view part : lent_) size += part.size();
  return size - lent_used_;
}

Due Stream::due(std::size_t most) {
  const std::size_t all = kept_ + lent();
  Due due;
  due.size = std::min(most, all);
  due.last = end_due_ && due.size == all;
  if (!due.last) return due;
  due.trailers = last_trailers_;
  end_sent_ = true;
  if (write_deadline_) write_deadline_->clear();
  if (ends_in_order() && orphan_ && !peer_ended_) await_end();
  return due;
}

void Stream::take(std::size_t size, std::string& out) {
  bytes_written_ += size;
  const std::size_t kept = std::min(size, kept_);
  if (kept > 0) take_kept(kept, out);
  size -= kept;
  std::size_t skip = lent_used_;
  lent_used_ += size;
  for (std::string_view part : lent_) {
    const std::size_t skipped = std::min(skip, part.size());
    skip -= skipped;
    part.remove_prefix(skipped);
    part = part.substr(0, size);
    out.append(part);
    size -= part.size();
  }
  assert(size == 0 && "no more than was due");
}

void Stream::take_kept(std::size_t size, std::string& out) {
  out.append(kept_bytes().substr(0, size));
  kept_left(size);
  if (kept_ == 0) {
    give_back_held();
    return wake_writer_later();
  }
  if (write_deadline_) await_writing();
}

void Stream::keep_lent() {
  const std::size_t size = lent();
  if (size == 0 || write_error_) return;
  const bool first = kept_ == 0;
  if (!make_room(size)) return reset(Code::enhance_your_calm, StreamError::held_limit);
  std::size_t skip = lent_used_;
  for (std::string_view part : lent_) {
    const std::size_t skipped = std::min(skip, part.size());
    skip -= skipped;
    keep(part.substr(skipped));
  }
  if (first) await_writing();
}

void Stream::give_back_held() noexcept {
  if (write_deadline_) write_deadline_->clear();
  forget_kept();
}

void Stream::set_write_idle(std::optional<std::chrono::milliseconds> limit, metrics::Counter* count) noexcept {
  write_idle_limit_ = limit;
  write_idle_count_ = count;
}

// Also of an end that nothing precedes: the library keeps it back as long as the window is closed.
void Stream::await_writing() {
  if (!write_idle_limit_) return;
  if (!write_deadline_) write_deadline_.emplace(io_.wheel, [](void* stream) { static_cast<Stream*>(stream)->on_write_idle(); }, this);
  if (connection_ != nullptr) taken_before_ = connection_->taken();
  write_deadline_->set_after(*write_idle_limit_);
}

// It is not the peer that stops a stream whose window is open while others get on: more urgent ones go first (RFC 9218).
void Stream::on_write_idle() {
  if (connection_ != nullptr && connection_->session_.window_is_open(id_) && connection_->taken() != taken_before_) return await_writing();
  if (write_idle_count_ != nullptr) write_idle_count_->add();
  reset(Code::cancel, StreamError::write_idle);
}

void Stream::on_flushed(Callback callback, void* context) { flushed_interest_ = {callback, context}; }

Awaitable<> Stream::wait_flushed() {
  flush_waiter_.reset();
  if (!flushed()) co_await flush_waiter_.wait();
}

// What the connection's socket has not got rid of may be this stream's: then nobody can call its client gone.
std::size_t Stream::unacknowledged() const noexcept {
  if (connection_ == nullptr) return kept_;
  const std::uint64_t under_way = connection_->unacknowledged();
  return kept_ + static_cast<std::size_t>(std::min(under_way, bytes_written_));
}

}  // namespace sluice::http2
