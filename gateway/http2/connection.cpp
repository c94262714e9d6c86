#include "gateway/http2/connection.h"

#include "gateway/http/hop_by_hop.h"
#include "tls/stream_error.h"

namespace sluice::http2 {

using tls::StreamError;

namespace {
Stream& of(StreamState& state) noexcept { return static_cast<Stream&>(state); }
}  // namespace

Connection::Connection(tls::StreamPtr socket, const SessionRules& rules, const RequestLimits& limits, ConnectionOwner& owner)
    : socket_(std::move(socket)),
      limits_(limits),
      most_streams_(2 * std::size_t{rules.max_streams}),
      owner_(owner),
      next_turn_(socket_->io().loop, &Connection::on_turn, this),
      session_(rules, *this) {}

Connection::~Connection() {
  building_.reset();
  arrived_.clear();
  while (first_ != nullptr) {
    Stream& stream = *first_;
    remove(stream);
    stream.lost(make_error_code(StreamError::cancelled));
  }
}

void Connection::start() {
  flush_later();  // our SETTINGS
  read();
}

void Connection::announce_shutdown() {
  session_.announce_shutdown();
  flush_later();
}

void Connection::go_away() {
  session_.go_away();
  flush_later();
}

void Connection::fail(Code code) {
  session_.fail(code);
  flush_later();
}

// ---- the streams -----------------------------------------------------------------------------------------------------

void Connection::add(Stream& stream) noexcept {
  stream.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &stream;
  first_ = &stream;
  ++stream_count_;
}

void Connection::remove(Stream& stream) noexcept {
  (stream.previous_ != nullptr ? stream.previous_->next_ : first_) = stream.next_;
  if (stream.next_ != nullptr) stream.next_->previous_ = stream.previous_;
  stream.previous_ = stream.next_ = nullptr;
  --stream_count_;
}

// ---- what the session tells ------------------------------------------------------------------------------------------

StreamState* Connection::began(StreamId id) {
  building_.reset();  // one that was given up
  if (stream_count_ >= most_streams_) return nullptr;
  building_ = StreamPtr(new Stream(*this, id));
  building_began_ = Clock::now();
  builder_.begin(limits_);
  return building_.get();
}

bool Connection::field(StreamId, StreamState& stream, std::string_view name, std::string_view value, bool trailer) {
  if (!trailer) return builder_.add(name, value);
  http::Headers& trailers = of(stream).trailers_;
  if (trailers.empty()) trailer_size_ = 0;
  trailer_size_ += name.size() + value.size();
  if (trailer_size_ > limits_.max_header_list || trailers.size() >= limits_.max_headers) return false;
  if (http::allowed_in_trailers(name)) trailers.add(name, value);
  return true;
}

void Connection::head_done(StreamId, StreamState&, bool trailer, bool last) {
  if (trailer) return;
  Arrival arrival;
  arrival.stream = std::move(building_);
  arrival.fault = builder_.finish(arrival.head, last);
  arrival.began = building_began_;
  arrived_.push_back(std::move(arrival));
}

void Connection::data(StreamId, StreamState& stream, std::string_view bytes) { of(stream).data(bytes); }
void Connection::peer_ended(StreamId, StreamState& stream) { of(stream).peer_ended(); }

void Connection::closed(StreamId, StreamState& stream, Code, bool) {
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
    flush_later();
  }
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
  std::vector<Arrival> arrived = std::exchange(self.arrived_, {});
  for (Arrival& arrival : arrived) {
    if (!arrival.stream->closed_) self.owner_.request_came(std::move(arrival));
  }
  arrived.clear();
  self.flush();
  self.read_on();
  if (!self.ended_) self.owner_.turn_ended();
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
  if (out_.capacity() > kKeptOut) std::string().swap(out_);
  if (!socket_->flushed()) return socket_->on_flushed(&Connection::on_flushed, this);
  if (session_.over()) end({});
}

void Connection::reset_later(StreamId id) {
  to_reset_.push_back(id);
  flush_later();
}

// A stream that is lost has not ended, however the connection did.
void Connection::end(ErrorCode error) {
  ended_ = true;
  next_turn_.cancel();
  building_.reset();
  arrived_.clear();
  const ErrorCode lost = error && error != StreamError::eof ? error : std::make_error_code(std::errc::connection_reset);
  while (first_ != nullptr) {
    Stream& stream = *first_;
    remove(stream);
    stream.lost(lost);
  }
  owner_.connection_ended(error);
}

}  // namespace sluice::http2
