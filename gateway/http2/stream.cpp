#include "gateway/http2/stream.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "gateway/http2/carrier.h"
#include "tls/stream_error.h"

namespace sluice::http2 {

using tls::StreamError;

namespace {

// What a request gets to end by itself behind its response.
constexpr std::chrono::milliseconds kLateEnd{250};

}  // namespace

void StreamClose::operator()(Stream* stream) const noexcept { stream->close(); }

Stream::Stream(Carrier& connection, StreamId id, Role role)
    : Duplex(connection.io()),
      connection_(&connection),
      id_(id),
      role_(role),
      next_turn_(io_.loop, &Stream::on_turn, this),
      heads_share_(io_) {
  connection.add(*this);
}

Stream::~Stream() {
  drop_what_came();
  give_back_held();
  if (connection_ != nullptr) connection_->remove(*this);
}

// The session still knows it: it goes when that has closed it. What was written to its end leaves all the same.
void Stream::close() noexcept {
  if (closed_ || connection_ == nullptr) return delete this;
  orphan_ = true;
  readable_ = end_ = flushed_interest_ = {};
  drop_what_came();
  if (ends_in_order()) {
    if (end_sent_ && !peer_ended_) await_end();
    if (end_due_) return;
  }
  connection_->session_.reset(id_, Code::cancel);
  connection_->flush_later();
}

// Most requests end there, with what was under way, and faults in it are found as ever. A client in the midst of a long one reads the
// response before it is told to stop: there are some that lose what comes with a reset (curl 7.88).
void Stream::await_end() {
  if (tunnel_) return connection_->reset_later(id_);
  late_.emplace(
      io_.wheel,
      [](void* stream) {
        const Stream& self = *static_cast<Stream*>(stream);
        self.connection_->reset_later(self.id_);
      },
      this);
  late_->set_after(kLateEnd);
}

// ---- what the session tells ------------------------------------------------------------------------------------------

void Stream::data(std::string_view bytes) {
  if (orphan_ || error_) return;
  if (left_of_refusal_ && bytes.size() > *left_of_refusal_) return reset(Code::protocol_error, std::make_error_code(std::errc::bad_message));
  if (left_of_refusal_) *left_of_refusal_ -= bytes.size();
  // What comes while there is still something to read waits for a slow reader.
  if (!came_.empty()) {
    if (!io_.take_held(bytes.size(), this)) {
      io_.metrics.held_rejected.add();
      return reset(Code::enhance_your_calm, StreamError::held_limit);
    }
    came_held_ += bytes.size();
  }
  came_.append(bytes);
  if (available() > 0) wake_reader_later();
}

void Stream::trailers_came(std::size_t size) {
  if (tunnel_) return reset(Code::protocol_error, std::make_error_code(std::errc::protocol_error));
  hold_head(size);
}

bool Stream::hold_head(std::size_t size) {
  if (size <= kFreeHead || heads_share_.take(size)) return true;
  io_.metrics.held_rejected.add();
  reset(Code::enhance_your_calm, StreamError::held_limit);
  return false;
}

void Stream::peer_ended() {
  if (left_of_refusal_.value_or(0) > 0) return reset(Code::protocol_error, std::make_error_code(std::errc::bad_message));
  peer_ended_ = true;
  wake_reader_later();
}

void Stream::begin(const OutgoingRequest& request, bool with_body) noexcept {
  head_request_ = request.method == "HEAD";
  asks_for_tunnel_ = !request.protocol.empty();
  if (!with_body) end_due_ = end_sent_ = true;
}

void Stream::head(Head head) {
  if (orphan_ || error_ || !hold_head(head.size)) return;
  if (asks_for_tunnel_) {
    tunnel_ = head.head.status / 100 == 2;
    if (!tunnel_ && head.head.body.kind == http::BodyKind::length) left_of_refusal_ = head.head.body.content_length;
  }
  heads_.push_back(std::move(head));
  wake_reader_later();
}

void Stream::closed(ErrorCode error) {
  closed_ = true;
  if (orphan_) return delete this;
  if (role_ == Role::client && peer_ended_) return stop_writing(error);
  if (!peer_ended_ || !end_sent_) fail(error);
}

// The response is complete, so that nobody needs the rest of the request (RFC 9113 8.1).
void Stream::stop_writing(ErrorCode error) {
  if (end_sent_) return;
  if (!write_error_) write_error_ = error;
  give_back_held();
  wake_writer_later();
}

void Stream::lost(ErrorCode error) {
  connection_ = nullptr;
  if (orphan_) return delete this;
  if (closed_) return;
  role_ == Role::client && peer_ended_ ? stop_writing(error) : fail(error);
}

// ---- waking ----------------------------------------------------------------------------------------------------------

void Stream::wake_reader_later() noexcept {
  reader_due_ = true;
  next_turn_.request();
}

void Stream::wake_writer_later() noexcept {
  writer_due_ = true;
  next_turn_.request();
}

void Stream::on_turn(void* stream) {
  Stream& self = *static_cast<Stream*>(stream);
  if (std::exchange(self.writer_due_, false)) {
    if (self.reader_due_) self.next_turn_.request();  // whoever is woken first may close the stream
    return self.flush_waiter_.waiting() ? self.flush_waiter_.wake() : self.flushed_interest_.fire();
  }
  if (std::exchange(self.reader_due_, false)) self.wake_reader();
}

// The last thing that its caller does.
void Stream::wake_reader() {
  if (read_waiter_.waiting()) return read_waiter_.wake();
  if (readable_.callback != nullptr) return readable_.fire();
  if (error_) end_.fire();
}

void Stream::fail(ErrorCode error) {
  if (!error_) error_ = error;
  if (!write_error_) write_error_ = error;
  give_back_held();
  writer_due_ = true;
  wake_reader_later();
}

void Stream::reset(Code code, ErrorCode error) {
  if (connection_ != nullptr && !closed_) {
    connection_->session_.reset(id_, code);
    connection_->flush_later();
  }
  drop_what_came();
  fail(error);
}

void Stream::cut_for_others() {
  io_.metrics.held_rejected.add();
  reset(Code::enhance_your_calm, StreamError::held_limit);
}

// ---- reading ---------------------------------------------------------------------------------------------------------

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

// ---- writing ---------------------------------------------------------------------------------------------------------

void Stream::respond(unsigned status, const http::Headers& headers, bool with_body) {
  if (connection_ == nullptr || closed_) return;
  if (!with_body) end_due_ = end_sent_ = true;
  connection_->session_.respond(id_, status, headers, with_body);
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
  connection_->session_.resume(id_);
  connection_->make();
  const ErrorCode error = keep_lent();
  lent_ = {};
  lent_used_ = 0;
  if (trailers != nullptr && !end_sent_) {
    for (const http::Field& field : *trailers) kept_trailers_.add(field.name, field.value);
    last_trailers_ = &kept_trailers_;
  }
  if (end_due_ && !end_sent_ && !write_error_ && kept_ == 0) await_writing();
  return error;
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
  out.append(overflow_, overflow_.size() - kept_, size);
  kept_ -= size;
  if (kept_ == 0) {
    give_back_held();
    return wake_writer_later();
  }
  io_.stalled.splice(io_.stalled.end(), io_.stalled, stalled_place_);
  if (write_deadline_) await_writing();
}

ErrorCode Stream::keep_lent() {
  const std::size_t size = lent();
  if (size == 0 || write_error_) return write_error_;
  const bool first = kept_ == 0;
  if (const std::size_t sent = overflow_.size() - kept_; sent >= kept_ && sent > 0) {  // moving the rest costs no more than sending it did
    overflow_.erase(0, sent);
    io_.give_back_held(sent);
  }
  overflow_.reserve(overflow_.size() + size);  // before anything is noted that is to be undone
  if (first) stalled_place_ = io_.stalled.insert(io_.stalled.end(), this);
  if (!io_.take_held(size, this)) {
    if (first) io_.stalled.erase(stalled_place_);
    io_.metrics.held_rejected.add();
    reset(Code::enhance_your_calm, StreamError::held_limit);
    return write_error_;
  }
  std::size_t skip = lent_used_;
  for (std::string_view part : lent_) {
    const std::size_t skipped = std::min(skip, part.size());
    skip -= skipped;
    overflow_.append(part.substr(skipped));
  }
  kept_ += size;
  if (first) await_writing();
  return {};
}

void Stream::give_back_held() noexcept {
  if (write_deadline_) write_deadline_->clear();
  if (overflow_.empty()) return;
  io_.stalled.erase(stalled_place_);
  io_.give_back_held(overflow_.size());
  std::string().swap(overflow_);
  kept_ = 0;
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
