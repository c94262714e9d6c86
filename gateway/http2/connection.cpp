#include "gateway/http2/connection.h"

#include <utility>

#include "tls/stream_error.h"

namespace sluice::http2 {

using tls::StreamError;

namespace {
Stream& of(StreamState& state) noexcept { return static_cast<Stream&>(state); }
}  // namespace

Connection::Connection(tls::StreamPtr socket, const SessionRules& rules, const RequestLimits& limits, metrics::Http2Metrics& metrics,
                       ConnectionOwner& owner)
    : Carrier(std::move(socket), rules, Role::server, owner),
      limits_(limits),
      metrics_(metrics),
      most_streams_(2 * std::size_t{rules.max_streams}),
      owner_(owner),
      head_share_(io()) {}

Connection::~Connection() {
  if (!ended_) forget_streams();
  building_.reset();
  arrived_.clear();
  lose_streams(make_error_code(StreamError::cancelled));
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
    owner_.request_violated(metrics::Http2Violation::too_many_exchanges);
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
  const bool taken = trailer ? add_trailer(id, stream, name, value, {limits_.max_header_list, limits_.max_headers})
                             : builder_.add(name, value);
  if (!taken) owner_.request_violated(metrics::Http2Violation::header_list);
  return taken;
}

void Connection::head_done(StreamId, StreamState& stream, bool trailer, bool last) {
  if (trailer) return of(stream).trailers_came();
  Arrival arrival;
  arrival.head_size = builder_.kept();
  arrival.stream = std::move(building_);
  arrival.fault = builder_.finish(arrival.head, last);
  arrival.began = building_began_;
  const http::BodyFraming& body = arrival.head.body;
  if (body.kind == http::BodyKind::length && body.content_length > 0) arrival.stream->left_of_length_ = body.content_length;
  arrived_.push_back(std::move(arrival));
}

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

// ---- the turns -------------------------------------------------------------------------------------------------------

// What is there of a head that comes in pieces is kept for its client, like anything that a slow one lets others keep.
void Connection::fed(std::string_view) {
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

// What is to be reset for what came behind it, or ends with the connection, must not reach a backend first.
void Connection::turn_began() {
  if (arrived_.empty()) return;
  if (socket().flushed()) session_.produce(out_, kMostOut);
  std::vector<Arrival> arrived = std::exchange(arrived_, {});
  std::size_t begun = 0;
  for (Arrival& arrival : arrived) {
    const bool wanted = !arrival.stream->closed_ && !arrival.stream->error_ && session_.fault() == Code::no_error;
    if (!wanted) continue;
    if (++begun > kArrivalsPerTurn) {
      arrived_.push_back(std::move(arrival));
    } else {
      owner_.request_came(std::move(arrival));
    }
  }
  if (!arrived_.empty()) flush_later();
}

void Connection::forget_streams() noexcept { metrics_.streams_open.add(-static_cast<std::int64_t>(session_.streams())); }

void Connection::let_go() noexcept {
  forget_streams();
  head_share_.give_back();
  building_.reset();
  arrived_.clear();
}

}  // namespace sluice::http2
