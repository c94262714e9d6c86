#include "gateway/http2/stream.h"

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
  if (left_of_refusal_) {
    if (bytes.size() > *left_of_refusal_) return reset(Code::protocol_error, std::make_error_code(std::errc::bad_message));
    *left_of_refusal_ -= bytes.size();
  }
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

void Stream::trailers_came() {
  if (tunnel_) return reset(Code::protocol_error, std::make_error_code(std::errc::protocol_error));
}

bool Stream::hold_head(std::size_t size) {
  if (heads_share_.take(size)) return true;
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
  if (orphan_ || error_ || (head.size > kFreeHead && !hold_head(head.size))) return;
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

}  // namespace sluice::http2
