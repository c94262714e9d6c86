#include "gateway/http2/connection.h"

#include "gateway/http/hop_by_hop.h"
#include "tls/stream_error.h"

namespace sluice::http2 {

using tls::StreamError;

namespace {
Stream& of(StreamState& state) noexcept { return static_cast<Stream&>(state); }
}  // namespace

Connection::Connection(tls::StreamPtr socket, const SessionRules& rules, const RequestLimits& limits, metrics::Http2Metrics& metrics,
                       ConnectionOwner& owner)
    : socket_(std::move(socket)),
      limits_(limits),
      metrics_(metrics),
      most_streams_(2 * std::size_t{rules.max_streams}),
      owner_(owner),
      next_turn_(socket_->io().loop, &Connection::on_turn, this),
      head_share_(socket_->io()),
      session_(rules, *this) {}

Connection::~Connection() {
  if (!ended_) forget_streams();
  building_.reset();
  arrived_.clear();
  lose_streams(make_error_code(StreamError::cancelled));
}

void Connection::start() {
  flush_later();  // our SETTINGS
  read();
}

void Connection::announce_shutdown() {
  if (leaving_ != Leaving::no) return;
  leaving_ = Leaving::announced;
  session_.announce_shutdown(kShutdownPing);
  flush_later();
}

// What the client sent before it could know of the announcement has come by then.
void Connection::pong(std::uint64_t payload) {
  if (payload == kShutdownPing && leaving_ == Leaving::announced) go_away();
}

void Connection::go_away() {
  if (leaving_ == Leaving::gone) return;
  leaving_ = Leaving::gone;
  session_.go_away();
  flush_later();
}

void Connection::fail(Code code) {
  session_.fail(code);
  flush_later();
}

// ---- what the session tells ------------------------------------------------------------------------------------------

StreamState* Connection::began(StreamId id) {
  building_.reset();  // one that was given up
  if (stream_count_ >= most_streams_) {
    metrics_.count(metrics::Http2Violation::too_many_exchanges);
    return nullptr;
  }
  building_ = StreamPtr(new Stream(*this, id));
  metrics_.streams.add();
  metrics_.streams_open.add(1);
  building_began_ = Clock::now();
  builder_.begin(limits_);
  return building_.get();
}

bool Connection::field(StreamId id, StreamState& stream, std::string_view name, std::string_view value, bool trailer) {
  const bool taken = trailer ? add_trailer(id, of(stream), name, value) : builder_.add(name, value);
  if (!taken) metrics_.count(metrics::Http2Violation::header_list);
  return taken;
}

// A stream has trailers once.
bool Connection::add_trailer(StreamId id, Stream& stream, std::string_view name, std::string_view value) {
  if (std::exchange(trailing_, id) != id) trailer_size_ = trailer_count_ = 0;
  trailer_size_ += RequestBuilder::size_of(name, value);
  if (trailer_size_ > limits_.max_header_list || ++trailer_count_ > limits_.max_headers) return false;
  if (http::allowed_in_trailers(name)) stream.trailers_.add(name, value);
  return true;
}

void Connection::head_done(StreamId id, StreamState& stream, bool trailer, bool last) {
  if (trailer) return of(stream).trailers_came(trailing_ == id ? trailer_size_ : 0);
  Arrival arrival;
  arrival.head_size = builder_.kept();
  arrival.stream = std::move(building_);
  arrival.fault = builder_.finish(arrival.head, last);
  arrival.began = building_began_;
  const http::BodyFraming& body = arrival.head.body;
  if (body.kind == http::BodyKind::length && body.content_length > 0) arrival.stream->left_of_length_ = body.content_length;
  arrived_.push_back(std::move(arrival));
}

void Connection::data(StreamId, StreamState& stream, std::string_view bytes) { of(stream).data(bytes); }
void Connection::peer_ended(StreamId, StreamState& stream) { of(stream).peer_ended(); }

void Connection::closed(StreamId, StreamState& stream, Code code, bool by_peer) {
  metrics_.streams_open.add(-1);
  if (by_peer) {
    metrics_.reset_by_client.add();
  } else if (code != Code::no_error) {
    metrics_.reset_by_gateway.add();
  }
  of(stream).closed();
  if (building_ && building_->closed_) building_.reset();
}

Due Connection::due(StreamId, StreamState& stream, std::size_t most) { return of(stream).due(most); }
void Connection::take(StreamId, StreamState& stream, std::size_t size, std::string& out) { of(stream).take(size, out); }

// ---- reading ---------------------------------------------------------------------------------------------------------

void Connection::on_readable(void* connection) { static_cast<Connection*>(connection)->read(); }

void Connection::read() {
  std::size_t left = tls::kBytesPerTurn;
  while (!ended_) {
    if (!may_read()) {
      read_waits_ = true;
      return flush_later();
    }
    if (left == 0) return socket_->yield(&Connection::on_readable, this);
    const tls::ReadResult got = socket_->read_some(io().scratch(), tls::kScratchSize);
    if (got.error == StreamError::would_block) return socket_->on_readable(&Connection::on_readable, this);
    if (got.error) return end(got.error);
    left -= std::min(left, got.size);
    session_.feed({io().scratch(), got.size});
    note_head();
    flush_later();
  }
}

// What is there of a head that comes in pieces is kept for its client, like anything that a slow one lets others keep.
void Connection::note_head() {
  if (const std::uint64_t head = session_.head_under_way(); std::exchange(head_, head) != head && head != 0) head_began_ = Clock::now();
  const std::size_t kept = building_ && !building_->error_ ? builder_.kept() : 0;
  if (kept < head_held_) {
    head_share_.give_back();
    head_held_ = 0;
  }
  if (kept == head_held_) return;
  if (head_share_.take_or_cut(kept - head_held_)) {
    head_held_ = kept;
    return;
  }
  io().metrics.held_rejected.add();
  building_->reset(Code::enhance_your_calm, StreamError::held_limit);
}

void Connection::read_on() {
  if (ended_ || !read_waits_ || !may_read()) return;
  read_waits_ = false;
  read();
}

// Not from a client that asks and does not read, nor after a fault.
bool Connection::may_read() const noexcept {
  if (session_.fault() != Code::no_error) return false;
  return socket_->flushed() || (socket_->kept() <= kMostOut && session_.queued() <= kMostQueued);
}

// ---- writing ---------------------------------------------------------------------------------------------------------

void Connection::make() {
  if (ended_) return;
  if (socket_->flushed()) session_.produce(out_, kMostOut);
  flush_later();
}

void Connection::on_flushed(void* connection) {
  Connection& self = *static_cast<Connection*>(connection);
  self.flush();
  self.read_on();
}

void Connection::on_turn(void* connection) {
  Connection& self = *static_cast<Connection*>(connection);
  if (!self.arrived_.empty()) self.hand_out_arrivals();
  self.flush();
  self.read_on();
  if (!self.ended_) self.owner_.turn_ended();
}

// What is to be reset for what came behind it, or ends with the connection, must not reach a backend first.
void Connection::hand_out_arrivals() {
  if (socket_->flushed()) session_.produce(out_, kMostOut);
  std::vector<Arrival> arrived = std::exchange(arrived_, {});
  for (Arrival& arrival : arrived) {
    const bool wanted = !arrival.stream->closed_ && !arrival.stream->error_ && session_.fault() == Code::no_error;
    if (wanted) owner_.request_came(std::move(arrival));
  }
}

void Connection::flush() {
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
  if (!socket_->flushed()) return socket_->on_flushed(&Connection::on_flushed, this);
  if (session_.over()) end({});
}

void Connection::reset_later(StreamId id) {
  to_reset_.push_back(id);
  flush_later();
}

void Connection::forget_streams() noexcept { metrics_.streams_open.add(-static_cast<std::int64_t>(session_.streams())); }

// A stream that is lost has not ended, however the connection did.
void Connection::end(ErrorCode error) {
  forget_streams();
  ended_ = true;
  next_turn_.cancel();
  head_share_.give_back();
  building_.reset();
  arrived_.clear();
  const ErrorCode lost = error && error != StreamError::eof ? error : std::make_error_code(std::errc::connection_reset);
  lose_streams(lost);
  owner_.connection_ended(error);
}

}  // namespace sluice::http2
