#include "gateway/http2/carrier.h"

#include "gateway/http/hop_by_hop.h"
#include "gateway/http2/request_builder.h"
#include "gateway/http2/stream.h"
#include "tls/stream_error.h"

namespace sluice::http2 {

using tls::StreamError;

namespace {
Stream& of(StreamState& state) noexcept { return static_cast<Stream&>(state); }
}  // namespace

Carrier::Carrier(tls::StreamPtr socket, const SessionRules& rules, Role role, CarrierOwner& owner)
    : socket_(std::move(socket)),
      owner_(owner),
      bytes_per_turn_(role == Role::server ? kClientBytesPerTurn : tls::kBytesPerTurn),
      next_turn_(socket_->io().loop, &Carrier::on_turn, this),
      session_(rules, *this, role) {}

void Carrier::start() {
  flush_later();  // our SETTINGS
  read();
}

// ---- the streams -----------------------------------------------------------------------------------------------------

void Carrier::add(Stream& stream) noexcept {
  stream.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &stream;
  first_ = &stream;
  ++stream_count_;
}

void Carrier::remove(Stream& stream) noexcept {
  (stream.previous_ != nullptr ? stream.previous_->next_ : first_) = stream.next_;
  if (stream.next_ != nullptr) stream.next_->previous_ = stream.previous_;
  stream.previous_ = stream.next_ = nullptr;
  --stream_count_;
}

void Carrier::lose_streams(ErrorCode error) {
  while (first_ != nullptr) {
    Stream& stream = *first_;
    remove(stream);
    stream.lost(error);
  }
}

// ---- what the session tells ------------------------------------------------------------------------------------------

void Carrier::data(StreamId, StreamState& stream, std::string_view bytes) { of(stream).data(bytes); }
void Carrier::peer_ended(StreamId, StreamState& stream) { of(stream).peer_ended(); }
Due Carrier::due(StreamId, StreamState& stream, std::size_t most) { return of(stream).due(most); }

void Carrier::take(StreamId, StreamState& stream, std::size_t size, std::string& out) {
  taken_ += size;
  of(stream).take(size, out);
}

bool Carrier::add_trailer(StreamId id, StreamState& stream, std::string_view name, std::string_view value, const TrailerLimits& limits) {
  if (std::exchange(trailing_, id) != id) trailer_size_ = trailer_count_ = trailer_held_ = 0;
  trailer_size_ += RequestBuilder::size_of(name, value);
  if (trailer_size_ > limits.bytes || ++trailer_count_ > limits.fields) return false;
  if (of(stream).error_) return true;
  if (trailer_size_ > kFreeHead) {  // at once: the rest may be long in coming
    if (!of(stream).hold_head(trailer_size_ - trailer_held_)) return true;
    trailer_held_ = trailer_size_;
  }
  if (http::allowed_in_trailers(name)) of(stream).trailers_.add(name, value);
  return true;
}

// ---- reading ---------------------------------------------------------------------------------------------------------

void Carrier::on_readable(void* carrier) { static_cast<Carrier*>(carrier)->read(); }

void Carrier::read() {
  std::size_t left = bytes_per_turn_;
  while (!ended_) {
    if (!may_read()) {
      read_waits_ = true;
      return flush_later();
    }
    if (left == 0) return socket_->yield(&Carrier::on_readable, this);
    const tls::ReadResult got = socket_->read_some(io().scratch(), tls::kScratchSize);
    if (got.error == StreamError::would_block) return socket_->on_readable(&Carrier::on_readable, this);
    if (got.error) return end(got.error);
    left -= std::min(left, got.size);
    session_.feed({io().scratch(), got.size});
    fed({io().scratch(), got.size});
    flush_later();
  }
}

void Carrier::read_on() {
  if (ended_ || !read_waits_ || !may_read()) return;
  read_waits_ = false;
  read();
}

// Not from a peer that asks and does not read, nor after a fault.
bool Carrier::may_read() const noexcept {
  if (session_.fault() != Code::no_error || session_.violation() != metrics::Http2Violation::none) return false;
  return socket_->flushed() || (socket_->kept() <= kMostOut && session_.queued() <= kMostQueued);
}

// ---- writing ---------------------------------------------------------------------------------------------------------

void Carrier::make() {
  if (ended_) return;
  if (socket_->flushed()) session_.produce(out_, kMostOut);
  flush_later();
}

void Carrier::on_turn(void* carrier) {
  Carrier& self = *static_cast<Carrier*>(carrier);
  self.turn_began();
  self.flush();
  self.read_on();
  if (!self.ended_) self.owner_.turn_ended();
}

void Carrier::flush() {
  while (!ended_ && socket_->flushed()) {
    session_.produce(out_, kMostOut);
    if (out_.empty() && to_reset_.empty()) break;
    if (out_.empty()) {
      for (const StreamId id : std::exchange(to_reset_, {})) session_.reset(id, Code::no_error);
      continue;
    }
    const ErrorCode error = socket_->write({out_});
    out_.clear();
    if (error) return end(error);
  }
  if (ended_) return;
  if (out_.empty() && out_.capacity() > kKeptOut) std::string().swap(out_);
  if (!socket_->flushed()) return socket_->on_flushed(&Carrier::on_turn, this);
  if (session_.over()) end({});
}

void Carrier::reset_later(StreamId id) {
  to_reset_.push_back(id);
  flush_later();
}

// A stream that is lost has not ended, however the connection did.
void Carrier::end(ErrorCode error) {
  ended_ = true;
  next_turn_.cancel();
  let_go();
  lose_streams(error && error != StreamError::eof ? error : std::make_error_code(std::errc::connection_reset));
  owner_.connection_ended(error);
}

}  // namespace sluice::http2
