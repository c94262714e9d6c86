#include "gateway/proxy/upstream_exchange.h"

#include "gateway/http/hop_by_hop.h"
#include "gateway/http1/response_parser.h"
#include "gateway/http1/serializer.h"
#include "gateway/proxy/forward_headers.h"
#include "gateway/proxy/mirror.h"
#include "tls/openssl_error.h"
#include "tls/stream_error.h"

namespace sluice::proxy {
namespace {

using tls::kBytesPerTurn;
using tls::kHeadRead;
using tls::StreamError;

// Informational responses to one request; a backend that sends more is broken.
constexpr unsigned kMaxInterim = 32;
// A response's body is spliced while so much of it is left, all but the tail.
constexpr std::uint64_t kSplicedFrom = 64 * 1024;
constexpr std::uint64_t kSplicedTail = 16 * 1024;

}  // namespace

UpstreamExchange::UpstreamExchange(ClientExchange& client, Services& services, RouteContext& route, HeldBody& held)
    : client_(client),
      services_(services),
      route_(route),
      held_(held),
      cluster_(*route.cluster),
      body_received_(held.bytes.size()),
      upstream_deadline_(
          services.io.wheel, [](void* self) { static_cast<UpstreamExchange*>(self)->on_timeout(); }, this),
      client_deadline_(
          services.io.wheel,
          [](void* self) { static_cast<UpstreamExchange*>(self)->on_body_timeout(); },
          this),
      response_(services.response_heads.borrow()) {}

UpstreamExchange::~UpstreamExchange() { client_.stop_watching(); }

void UpstreamExchange::on_timeout() {
  if (connection_.stream) connection_.stream->abort(StreamError::timed_out);
}

void UpstreamExchange::on_body_timeout() {
  services_.io.metrics.timeout_request_body.add();
  refuse_client(reply_for(Refusal::request_body_timeout));
}

void UpstreamExchange::on_client_left(void* exchange) { static_cast<UpstreamExchange*>(exchange)->client_left(); }

void UpstreamExchange::client_left() { refuse_client(reply_for(FailureCode::client_left)); }

// Ends the attempt for a reason that lies with the client.
void UpstreamExchange::refuse_client(const Reply& reply) {
  if (client_problem_) return;
  client_problem_ = reply;
  stop_upload_ = true;
  client_.interrupt_wait();
  if (connection_.stream) connection_.stream->abort(StreamError::cancelled);
  cancellation_.cancel(StreamError::cancelled);  // last: it may end the exchange
}

Failure UpstreamExchange::failure_of(ErrorCode error, FailureCode otherwise) const {
  Failure failure{otherwise, upstream::Retryable::no, error.message()};
  if (client_problem_) {
    failure.code = FailureCode::client_left;
  } else if (error == StreamError::held_limit) {
    failure.code = FailureCode::overloaded;
  } else if (otherwise == FailureCode::reset) {
    failure.retryable = upstream::Retryable::if_idempotent;
    if (error == StreamError::tls_failed) {  // under TLS 1.3 our certificate is refused after the handshake
      failure.code = FailureCode::tls_failed;
      failure.detail += ": " + tls::take_openssl_error_text();
    }
  }
  if (error == StreamError::timed_out || error == StreamError::write_idle) {
    failure.code = otherwise == FailureCode::body_truncated ? FailureCode::body_timeout : FailureCode::response_timeout;
    failure.retryable = upstream::Retryable::no;  // it may still be at work
  }
  return failure;
}

void UpstreamExchange::drop_connection() noexcept {
  connection_.stream.reset();
  connection_ = {};
}

Awaitable<Failure> UpstreamExchange::begin(upstream::Picked&& picked, bool keep_body) {
  Failure failure = co_await connect(std::move(picked));
  if (failure.code == FailureCode::none) failure = send_request(keep_body);
  if (failure.code == FailureCode::none) failure = co_await read_response_head();
  picked_.repeat.give_back();
  if (failure.code == FailureCode::none) {
    cluster_.endpoint_answered(picked_.index, response_->status);
  } else if (!client_problem_) {
    cluster_.attempt_failed(picked_.index, failure, reused());
  }
  co_return failure;
}

Awaitable<Failure> UpstreamExchange::connect(upstream::Picked&& picked) {
  picked_ = std::move(picked);
  client_.watch_client(&UpstreamExchange::on_client_left, this);
  if (!picked_.connection.stream) {
    Failure failure = co_await cluster_.connect(picked_, client_.generation->config().timeouts.connect, cancellation_);
    if (failure.code != FailureCode::none) co_return failure;
  }
  connection_ = std::move(picked_.connection);
  if (client_problem_) co_return failure_of(StreamError::cancelled, FailureCode::client_left);
  connection_.stream->set_write_idle(route_.response_head_timeout);
  co_return Failure{};
}

// ---- the request ---------------------------------------------------------------------------------------------------

Failure UpstreamExchange::send_request(bool keep_body) {
  client_.record.stages.connected = Clock::now();
  std::string& head = services_.io.out;
  head.clear();
  chunked_request_ = client_.request.body.kind == http::BodyKind::chunked;
  http1::append_request_head(head, client_.request.method, upstream_target(client_, route_), client_.request.headers);
  Failure failure = upload_now(head, keep_body);
  client_.record.stages.sent = Clock::now();
  if (failure.code != FailureCode::none) return failure;
  upload_done_ ? request_sent() : start_upload_task();
  return failure;
}

void UpstreamExchange::request_sent() {
  if (route_.mirror != nullptr) route_.mirror->request_sent(held_);
}

// The head with as much of the body as is at hand, in one write.
Failure UpstreamExchange::upload_now(std::string& head, bool keep_body) {
  if (!keep_body) held_.whole = false;
  ErrorCode error;
  if (held_.complete || !held_.bytes.empty()) {  // what an earlier attempt sent already
    error = send_piece(head, held_.bytes, held_.complete);
    upload_done_ = held_.complete;
  } else if (client_.body_complete()) {
    error = send_piece(head, {}, true);  // an empty one that was announced without a length is in chunks, too
    upload_done_ = true;
  } else {
    const BodyPiece piece = client_.read_body(services_.io.scratch(), tls::kRelayBlock);
    if (!piece.would_block && !take_piece(piece)) return failure_of(StreamError::cancelled, FailureCode::client_left);
    error = piece.would_block ? connection_.stream->write({head}) : send_piece(head, piece.data, piece.last);
    upload_done_ = piece.last;
  }
  // A backend that has closed its side may have answered before: reading tells.
  if (error && error != std::errc::broken_pipe && error != std::errc::connection_reset) {
    return failure_of(error, FailureCode::reset);
  }
  if (upload_done_) client_.watch_client(&UpstreamExchange::on_client_left, this);
  return {};
}

bool UpstreamExchange::take_piece(const BodyPiece& piece) {
  if (piece.client_left) {
    client_left();
    return false;
  }
  if (piece.error != http::ParseError::none) {
    services_.io.metrics.count_parse_error(static_cast<std::size_t>(piece.error));
    refuse_client(reply_for(piece.error));
    return false;
  }
  body_received_ += piece.data.size();
  client_.record.bytes_received = body_received_;
  if (route_.max_body && body_received_ > *route_.max_body) {
    refuse_client(reply_for(Refusal::request_too_large));
    return false;
  }
  hold(piece.data, piece.last);
  return true;
}

void UpstreamExchange::hold(std::string_view payload, bool last) {
  if (!held_.whole) return;
  if (held_.bytes.size() + payload.size() > HeldBody::kMax || !held_.share.take(payload.size())) {
    held_.drop();
    return;
  }
  held_.bytes.append(payload);
  held_.complete = last;
}

ErrorCode UpstreamExchange::send_piece(std::string_view head, std::string_view payload, bool last) {
  cluster_.metrics().bytes_sent.add(payload.size());
  if (!chunked_request_) return connection_.stream->write({head, payload});
  char room[http1::kChunkHeadRoom];
  std::string_view chunk_head, chunk_end;
  if (!payload.empty()) {
    const std::size_t size = http1::write_chunk_head(room, payload.size());
    chunk_head = {room + sizeof room - size, size};
    chunk_end = http1::kChunkEnd;
  }
  std::string last_chunk;
  if (last) {
    http1::append_last_chunk(
        last_chunk, passable_trailers(client_.request_trailers(), route_.named, route_.route->request_headers));
  }
  return connection_.stream->write({head, chunk_head, payload, chunk_end, last_chunk});
}

void UpstreamExchange::start_upload_task() {
  upload_running_ = true;
  services_.io.loop.spawn(upload());
}

Awaitable<> UpstreamExchange::upload() {
  try {
    co_await upload_rest();
  } catch (const std::exception&) {  // memory ran out: this exchange ends, the worker goes on
    refuse_client(reply_for(Refusal::internal_error));
  }
  upload_running_ = false;
  upload_finished_.wake();
}

Awaitable<> UpstreamExchange::upload_rest() {
  tls::Stream& upstream = *connection_.stream;
  std::size_t turn = 0;
  while (!stop_upload_ && !upload_done_) {
    if (upstream.write_error()) break;  // the response tells why, or its absence
    if (!upstream.flushed()) {
      client_.watch_client(&UpstreamExchange::on_client_left, this);  // it is not read meanwhile
      co_await upstream.wait_flushed();
      turn = 0;
      continue;
    }
    if (turn > kBytesPerTurn) {
      turn = 0;
      co_await services_.io.loop.next_turn();
      continue;
    }
    const BodyPiece piece = client_.read_body(services_.io.scratch(), tls::kRelayBlock);
    if (piece.would_block) {
      wait_begins();
      co_await client_.wait_body();
      client_deadline_.clear();
      turn = 0;
      continue;
    }
    turn += piece.wire;
    if (!take_piece(piece)) break;
    if (send_piece({}, piece.data, piece.last)) break;
    upload_done_ = piece.last;
  }
  if (!upload_done_ || stop_upload_) co_return;
  request_sent();
  client_.watch_client(&UpstreamExchange::on_client_left, this);
  if (!answered_) upstream_deadline_.set_after(route_.response_head_timeout);
}

// A client that was told to expect 100 rightly waits for the backend's word: then it is the backend that is slow.
void UpstreamExchange::wait_begins() {
  const bool backend_is_due = client_.request.expect_continue && !continued_ && body_received_ == 0 && !answered_;
  if (backend_is_due) {
    upstream_deadline_.set_after(route_.response_head_timeout);
  } else {
    client_deadline_.set_after(client_.generation->config().timeouts.request_body_idle);
  }
}

void UpstreamExchange::continue_seen() {
  continued_ = true;
  if (!upload_running_ || body_received_ > 0) return;
  upstream_deadline_.clear();
  client_deadline_.set_after(client_.generation->config().timeouts.request_body_idle);
}

Awaitable<> UpstreamExchange::finish_upload() {
  stop_upload_ = true;
  while (upload_running_) {
    client_.interrupt_wait();
    if (connection_.stream) connection_.stream->abort(StreamError::cancelled);
    co_await upload_finished_.wait();
  }
}

// ---- the response --------------------------------------------------------------------------------------------------

Awaitable<Failure> UpstreamExchange::read_response_head() {
  const config::Limits& limits = client_.generation->config().limits;
  http1::ResponseParser parser({limits.max_request_line, limits.max_request_head, limits.max_headers});
  std::string partial;
  unsigned interim = 0;
  if (upload_done_) upstream_deadline_.set_after(route_.response_head_timeout);
  for (;;) {
    char* scratch = services_.io.scratch();
    const tls::ReadResult read = connection_.stream->read_some(scratch, kHeadRead);
    if (read.error == StreamError::would_block) {
      co_await connection_.stream->wait_readable();
      continue;
    }
    if (read.error) {
      co_return failure_of(read.error, partial.empty() && interim == 0 ? FailureCode::reset : FailureCode::bad_response);
    }
    std::string_view bytes(scratch, read.size);
    if (!partial.empty()) bytes = partial.append(bytes);
    const http1::HeadResult head = parser.parse(bytes, client_.request.method, *response_);
    if (head.state == http1::HeadResult::failed) {
      co_return Failure{FailureCode::bad_response, upstream::Retryable::no, std::string(http::name_of(head.error))};
    }
    if (head.state == http1::HeadResult::incomplete) {
      if (partial.empty()) partial.assign(bytes);
      continue;
    }
    connection_.stream->unread(bytes.substr(head.consumed));
    if (response_->status >= 200 || response_->status == 101) break;
    if (++interim > kMaxInterim) co_return Failure{FailureCode::bad_response, upstream::Retryable::no, "too many 1xx"};
    http::remove_hop_by_hop(response_->headers);
    if (response_->status == 100) continue_seen();
    client_.send_interim(response_->status, response_->reason, response_->headers);
    partial.clear();
    parser.reset();
    response_->clear();
  }
  answered_ = true;
  if (!cluster_.settings().retries.repeats(response_->status)) held_.drop();  // the response may take its time
  upstream_deadline_.clear();
  StageTimes& stages = client_.record.stages;
  stages.answered = Clock::now();
  cluster_.metrics().response_seconds.observe(std::chrono::duration<double>(stages.answered - stages.sent).count());
  co_return Failure{};
}

Awaitable<Failure> UpstreamExchange::relay_response() {
  response_named_ = prepare_response_headers(client_, route_, *response_);
  client_.record.status = response_->status;
  client_.start_response(response_->status, response_->reason, response_->headers, response_->body);
  http1::BodyDecoder decoder(response_->body, client_.generation->config().limits.max_request_head);
  if (decoder.done()) {
    endpoint_done();
    if (client_.send_body({}, true, nullptr)) client_left();
  }
  std::size_t turn = 0;
  while (!decoder.done() && !client_problem_) {
    if (!client_.flushed()) {
      co_await client_.wait_flushed();
      continue;
    }
    if (turn > kBytesPerTurn) {
      turn = 0;
      co_await services_.io.loop.next_turn();
    }
    const std::optional<tls::ReadResult> spliced = splice_response(decoder);
    const tls::ReadResult read =
        spliced ? *spliced : connection_.stream->read_some(services_.io.scratch(), tls::kRelayBlock);
    if (read.error == StreamError::would_block) {
      if (client_.flush_head()) break;
      upstream_deadline_.set_after(route_.response_body_idle);
      co_await connection_.stream->wait_readable();
      upstream_deadline_.clear();
      continue;
    }
    if (read.error == StreamError::eof && decoder.complete_at_end()) {
      client_.send_body({}, true, nullptr);
      break;
    }
    if (read.error) co_return failure_of(read.error, FailureCode::body_truncated);
    turn += read.size;
    if (spliced) {
      piece_spliced(decoder, read.size);
      continue;
    }
    Failure failure = relay_piece(decoder, read.size);
    if (failure.code != FailureCode::none) co_return failure;
  }
  if (client_.write_error()) client_left();
  if (client_problem_) co_return failure_of(StreamError::cancelled, FailureCode::client_left);
  release_connection(decoder);
  co_return Failure{};
}

// The middle of a large body: its end goes the other way, which also ends the response.
std::optional<tls::ReadResult> UpstreamExchange::splice_response(const http1::BodyDecoder& decoder) {
  const std::uint64_t left = decoder.payload_ahead();
  if (left < kSplicedFrom) return {};
  return client_.splice_body(*connection_.stream, static_cast<std::size_t>(left - kSplicedTail));
}

void UpstreamExchange::piece_spliced(http1::BodyDecoder& decoder, std::size_t size) {
  decoder.pass_unseen(size);
  cluster_.metrics().bytes_received.add(size);
  client_.record.bytes_sent += size;
  if (client_.write_error()) client_left();
}

Failure UpstreamExchange::relay_piece(http1::BodyDecoder& decoder, std::size_t size) {
  char* scratch = services_.io.scratch();
  const http1::DecodeResult decoded = decoder.decode(scratch, size);
  if (decoded.error != http::ParseError::none) {
    return {FailureCode::bad_body, upstream::Retryable::no, std::string(http::name_of(decoded.error))};
  }
  excess_ = decoded.consumed < size;
  cluster_.metrics().bytes_received.add(decoded.payload);
  client_.record.bytes_sent += decoded.payload;
  if (decoded.payload == 0 && !decoder.done()) return {};
  if (decoder.done()) endpoint_done();
  const bool with_trailers = decoder.done() && !decoder.trailers().empty();
  const http::Headers trailers = with_trailers ? response_trailers(decoder) : http::Headers();
  if (client_.send_body({scratch, decoded.payload}, decoder.done(), with_trailers ? &trailers : nullptr)) client_left();
  return {};
}

http::Headers UpstreamExchange::response_trailers(const http1::BodyDecoder& decoder) const {
  return passable_trailers(decoder.trailers(), response_named_, route_.route->response_headers);
}

// Before the client gets the last byte, so that its next request finds the endpoint's load as it is.
void UpstreamExchange::endpoint_done() { picked_.in_flight = upstream::InFlight(); }

void UpstreamExchange::release_connection(const http1::BodyDecoder& decoder) {
  if (!response_->keep_alive || !decoder.done() || excess_ || upload_running_ || !upload_done_) return;
  if (response_->body.kind == http::BodyKind::until_close || route_.websocket) return;
  cluster_.release(picked_.index, std::move(connection_));
}

}  // namespace sluice::proxy
