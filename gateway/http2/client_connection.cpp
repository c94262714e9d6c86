#include "gateway/http2/client_connection.h"

#include "gateway/http/hop_by_hop.h"
#include "tls/stream_error.h"

namespace sluice::http2 {

using tls::StreamError;

namespace {
Stream& of(StreamState& state) noexcept { return static_cast<Stream&>(state); }
}  // namespace

ClientConnection::ClientConnection(tls::StreamPtr socket, const SessionRules& rules, const ResponseLimits& limits,
                                   ClientConnectionOwner& owner)
    : socket_(std::move(socket)),
      limits_(limits),
      owner_(owner),
      next_turn_(socket_->io().loop, &ClientConnection::on_turn, this),
      heard_(Clock::now()),
      session_(rules, *this, Role::client) {}

ClientConnection::~ClientConnection() {
  if (ended_) return;
  ended_ = true;
  if (!leaves_) session_.go_away();
  session_.produce(out_, kMostOut);
  if (!out_.empty() && socket_->flushed()) socket_->write({out_});
  lose_streams(make_error_code(StreamError::cancelled));
}

void ClientConnection::start() {
  flush_later();  // our preface and SETTINGS
  read();
}

StreamPtr ClientConnection::open(const OutgoingRequest& request, bool with_body) {
  if (room() == 0) return nullptr;
  StreamPtr stream(new Stream(*this, session_.next_id(), Role::client));
  stream->begin(request.method == "HEAD", with_body);
  if (!session_.open(request, *stream, with_body)) {
    stream->closed_ = true;  // the session does not know it
    return nullptr;
  }
  flush_later();
  return stream;
}

void ClientConnection::go_away() {
  if (std::exchange(leaves_, true)) return;
  session_.go_away();
  flush_later();
}

void ClientConnection::ping() {
  session_.ping(0);
  flush_later();
}

// ---- what the session tells ------------------------------------------------------------------------------------------

bool ClientConnection::field(StreamId id, StreamState& stream, std::string_view name, std::string_view value, bool trailer) {
  if (!trailer) {
    if (std::exchange(building_, id) != id) builder_.begin(limits_);
    return builder_.add(name, value);
  }
  if (std::exchange(trailing_, id) != id) trailer_size_ = trailer_count_ = 0;
  trailer_size_ += ResponseBuilder::size_of(name, value);
  if (trailer_size_ > limits_.max_header_list || ++trailer_count_ > limits_.max_headers) return false;
  if (http::allowed_in_trailers(name)) of(stream).trailers_.add(name, value);
  return true;
}

void ClientConnection::head_done(StreamId id, StreamState& stream, bool trailer, bool) {
  building_ = 0;
  if (trailer) return;
  Stream& of_request = of(stream);
  if (of_request.heads_.size() == kMostHeads) return session_.reset(id, Code::enhance_your_calm);
  Stream::Head head;
  head.fault = builder_.finish(head.head, of_request.head_request_);
  of_request.head(std::move(head));
}

void ClientConnection::data(StreamId, StreamState& stream, std::string_view bytes) { of(stream).data(bytes); }
void ClientConnection::peer_ended(StreamId, StreamState& stream) { of(stream).peer_ended(); }

// What this side resets it has found to be wrong: a user that lets go does not hear of it.
void ClientConnection::closed(StreamId id, StreamState& stream, Code code, bool by_peer) {
  if (building_ == id) building_ = 0;
  const bool wrong = !by_peer && code != Code::refused_stream;
  of(stream).closed(wrong ? std::make_error_code(std::errc::bad_message) : error_of(code));
}

Due ClientConnection::due(StreamId, StreamState& stream, std::size_t most) { return of(stream).due(most); }
void ClientConnection::take(StreamId, StreamState& stream, std::size_t size, std::string& out) { of(stream).take(size, out); }

// ---- reading ---------------------------------------------------------------------------------------------------------

void ClientConnection::on_readable(void* connection) { static_cast<ClientConnection*>(connection)->read(); }

void ClientConnection::read() {
  std::size_t left = tls::kBytesPerTurn;
  while (!ended_) {
    if (!may_read()) {
      read_waits_ = true;
      return flush_later();
    }
    if (left == 0) return socket_->yield(&ClientConnection::on_readable, this);
    const tls::ReadResult got = socket_->read_some(io().scratch(), tls::kScratchSize);
    if (got.error == StreamError::would_block) return socket_->on_readable(&ClientConnection::on_readable, this);
    if (got.error) return end(got.error);
    heard_ = Clock::now();
    left -= std::min(left, got.size);
    session_.feed({io().scratch(), got.size});
    flush_later();
  }
}

void ClientConnection::read_on() {
  if (ended_ || !read_waits_ || !may_read()) return;
  read_waits_ = false;
  read();
}

// Not from a peer that makes us answer and does not read, nor after a fault.
bool ClientConnection::may_read() const noexcept {
  if (session_.fault() != Code::no_error) return false;
  return socket_->flushed() || (socket_->kept() <= kMostOut && session_.queued() <= kMostQueued);
}

// ---- writing ---------------------------------------------------------------------------------------------------------

void ClientConnection::make() {
  if (ended_) return;
  if (socket_->flushed()) session_.produce(out_, kMostOut);
  flush_later();
}

void ClientConnection::on_flushed(void* connection) {
  ClientConnection& self = *static_cast<ClientConnection*>(connection);
  self.flush();
  self.read_on();
}

void ClientConnection::on_turn(void* connection) {
  ClientConnection& self = *static_cast<ClientConnection*>(connection);
  self.flush();
  self.read_on();
  if (!self.ended_) self.owner_.turn_ended();
}

void ClientConnection::flush() {
  while (!ended_ && socket_->flushed()) {
    session_.produce(out_, kMostOut);
    if (out_.empty()) break;
    const ErrorCode error = socket_->write({out_});
    out_.clear();
    if (error) return end(error);
  }
  if (ended_) return;
  if (out_.empty() && out_.capacity() > kKeptOut) std::string().swap(out_);
  if (!socket_->flushed()) return socket_->on_flushed(&ClientConnection::on_flushed, this);
  if (session_.over()) end({});
}

// A stream that is lost has not ended, however the connection did.
void ClientConnection::end(ErrorCode error) {
  ended_ = true;
  next_turn_.cancel();
  lose_streams(error && error != StreamError::eof ? error : std::make_error_code(std::errc::connection_reset));
  owner_.connection_ended(error);
}

}  // namespace sluice::http2
