#include "gateway/http2/client_connection.h"

#include "gateway/http/interim.h"
#include "gateway/http2/first_bytes.h"
#include "tls/stream_error.h"

namespace sluice::http2 {

using tls::StreamError;

namespace {
Stream& of(StreamState& state) noexcept { return static_cast<Stream&>(state); }
}  // namespace

ClientConnection::ClientConnection(tls::StreamPtr socket, const SessionRules& rules, const ResponseLimits& limits, CarrierOwner& owner)
    : Carrier(std::move(socket), rules, Role::client, owner), limits_(limits), heard_(Clock::now()) {}

ClientConnection::~ClientConnection() {
  if (ended_) return;
  ended_ = true;
  if (!leaves_) session_.go_away();
  session_.produce(out_, kMostOut);
  if (!out_.empty() && socket().flushed()) socket().write({out_});
  lose_streams(make_error_code(StreamError::cancelled));
}

StreamPtr ClientConnection::open(const OutgoingRequest& request, bool with_body) {
  if (room() == 0) return nullptr;
  StreamPtr stream(new Stream(*this, session_.next_id(), Role::client));
  stream->closed_ = true;  // as long as the session does not know it, which may be for good
  stream->begin(request, with_body);
  if (!session_.open(request, *stream, with_body)) return nullptr;
  stream->closed_ = false;
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
  return add_trailer(id, stream, name, value, {limits_.max_header_list, limits_.max_headers});
}

// Requests that wait here to be sent, and for which the peer has no room any more, find another connection.
void ClientConnection::settings_came() {
  settings_known_ = true;
  Stream* next = nullptr;
  for (Stream* newest = first_; newest != nullptr && session_.streams() > session_.capacity(); newest = next) {
    next = newest->next_;
    if (newest->closed_) continue;
    if (!session_.take_back(newest->id_)) break;
    closed(newest->id_, *newest, Code::refused_stream, false);
  }
}

void ClientConnection::head_done(StreamId id, StreamState& stream, bool trailer, bool) {
  building_ = 0;
  if (trailer) return of(stream).trailers_came();
  Stream& of_request = of(stream);
  // Those that nobody has looked at yet; the exchange counts the others.
  if (of_request.heads_.size() == http::kMaxHeads) return session_.reset(id, Code::enhance_your_calm);
  Stream::Head head;
  head.size = builder_.size();
  head.fault = builder_.finish(head.head, of_request.head_request_);
  of_request.head(std::move(head));
}

void ClientConnection::fed(std::string_view bytes) {
  heard_ = Clock::now();
  if (!settings_known_ && begin_http1(bytes)) answered_in_http1_ = true;
}

// What this side resets it has found to be wrong, or too much: a user that lets go does not hear of it.
void ClientConnection::closed(StreamId id, StreamState& stream, Code code, bool by_peer) {
  if (building_ == id) building_ = 0;
  if (by_peer || code == Code::refused_stream) return of(stream).closed(error_of(code));
  of(stream).closed(std::make_error_code(code == Code::enhance_your_calm ? std::errc::message_size : std::errc::bad_message));
}

}  // namespace sluice::http2
