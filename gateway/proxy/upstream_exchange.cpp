#include "gateway/proxy/upstream_exchange.h"

#include "gateway/http/hop_by_hop.h"
#include "gateway/http/interim.h"
#include "gateway/proxy/forward_headers.h"
#include "tls/openssl_error.h"
#include "tls/stream_error.h"

namespace sluice::proxy {

using tls::StreamError;

UpstreamExchange::UpstreamExchange(ClientExchange& client, Services& services, RouteContext& route, HeldBody& held)
    : client_(client),
      services_(services),
      route_(route),
      held_(held),
      cluster_(*route.cluster),
      body_received_(held.bytes.size()),
      backend_(cluster_, client.generation->config().limits),
      upstream_deadline_(
          services.io.wheel, [](void* self) { static_cast<UpstreamExchange*>(self)->on_timeout(); }, this),
      client_deadline_(
          services.io.wheel,
          [](void* self) { static_cast<UpstreamExchange*>(self)->on_body_timeout(); },
          this),
      response_(services.response_heads.borrow()) {}

UpstreamExchange::~UpstreamExchange() { client_.stop_watching(); }

void UpstreamExchange::on_timeout() { backend_.abort(StreamError::timed_out); }

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
  backend_.abort(StreamError::cancelled);
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

Failure UpstreamExchange::failure_of(const HeadRead& head) const {
  if (head.state == HeadRead::refused && !client_problem_) {
    return {FailureCode::stream_refused, upstream::Retryable::untouched, head.error.message()};
  }
  if (head.state == HeadRead::bad) return {FailureCode::bad_response, upstream::Retryable::no, std::string(head.fault)};
  Failure failure = failure_of(head.error, backend_.wire().silent() ? FailureCode::reset : FailureCode::bad_response);
  if (failure.code == FailureCode::reset && !head.fault.empty()) failure.detail = head.fault;
  return failure;
}

Awaitable<Failure> UpstreamExchange::begin(upstream::Picked&& picked, bool keep_body) {
  Failure failure = co_await connect(std::move(picked));
  if (failure.code == FailureCode::none) failure = send_request(keep_body);
  if (failure.code == FailureCode::none) failure = co_await read_response_head();
  backend_.picked().repeat.give_back();
  if (failure.code != FailureCode::none) failure = explain(std::move(failure));
  if (failure.code == FailureCode::none) {
    cluster_.endpoint_answered(endpoint(), response_->status);
  } else if (!client_problem_) {
    cluster_.attempt_failed(endpoint(), failure, reused());
  }
  co_return failure;
}

Awaitable<Failure> UpstreamExchange::connect(upstream::Picked&& picked) {
  backend_.take(std::move(picked));
  client_.watch_client(&UpstreamExchange::on_client_left, this);
  Failure failure;
  if (route_.websocket) {
    failure = co_await open_for_tunnel();
  } else {
    failure = co_await backend_.open(client_.generation->config().timeouts.connect, cancellation_);
  }
  backend_.picked().pending.give_back();
  if (failure.code != FailureCode::none) co_return failure;
  backend_.speak(route_.response_head_timeout, route_.accepts_trailers);
  client_.record.upstream_version = backend_.version();
  co_return failure;
}

// ---- the response --------------------------------------------------------------------------------------------------

Awaitable<Failure> UpstreamExchange::read_response_head() {
  unsigned interim = 0;
  if (upload_done_) upstream_deadline_.set_after(route_.response_head_timeout);
  for (;;) {
    const HeadRead head = backend_.read_head(*response_);
    if (head.state == HeadRead::incomplete) {
      co_await backend_.wire().wait_readable();
      continue;
    }
    if (head.state != HeadRead::complete) {
      if (head.state == HeadRead::refused) backend_.spare();
      if (route_.websocket && head.error == http2::error_of(http2::Code::http_1_1_required)) co_return wants_http1();
      co_return failure_of(head);
    }
    if (response_->status >= 200 || response_->status == 101) break;
    if (++interim > http::kMaxInterim) co_return Failure{FailureCode::bad_response, upstream::Retryable::no, "too many 1xx"};
    http::remove_hop_by_hop(response_->headers);
    if (response_->status == 100) continue_seen();
    client_.send_interim(response_->status, response_->reason, response_->headers);
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
  bool complete = backend_.wire().body_complete();
  if (complete) {
    endpoint_done();
    if (client_.send_body({}, true, nullptr)) client_left();
  }
  std::size_t turn = 0;
  while (!complete && !client_problem_) {
    if (!client_.flushed()) {
      co_await client_.wait_flushed();
      continue;
    }
    if (turn > tls::kBytesPerTurn) {
      turn = 0;
      co_await services_.io.loop.next_turn();
    }
    const std::optional<tls::ReadResult> spliced = backend_.wire().splice_body(client_);
    const BodyRead piece = spliced ? BodyRead{spliced->size, spliced->size, spliced->error, {}}
                                   : backend_.wire().read_body(services_.io.scratch(), tls::kRelayBlock);
    if (piece.error == StreamError::would_block) {
      if (client_.flush_head()) break;
      upstream_deadline_.set_after(route_.response_body_idle);
      co_await backend_.wire().wait_readable();
      upstream_deadline_.clear();
      continue;
    }
    if (piece.error) co_return failure_of(piece.error, FailureCode::body_truncated);
    if (!piece.fault.empty()) co_return Failure{FailureCode::bad_body, upstream::Retryable::no, std::string(piece.fault)};
    turn += piece.wire;
    cluster_.metrics().bytes_received.add(piece.payload);
    client_.record.bytes_sent += piece.payload;
    if (spliced) {
      if (client_.write_error()) client_left();
      continue;
    }
    complete = backend_.wire().body_complete();
    if (piece.payload > 0 || complete) relay_piece(piece.payload, complete);
  }
  if (client_.write_error()) client_left();
  if (client_problem_) co_return failure_of(StreamError::cancelled, FailureCode::client_left);
  release_connection();
  co_return Failure{};
}

// What was read of the body.
void UpstreamExchange::relay_piece(std::size_t size, bool last) {
  if (last) endpoint_done();
  Trailers room;
  const http::Headers* const trailers = last ? response_trailers(room) : nullptr;
  if (client_.send_body({services_.io.scratch(), size}, last, trailers)) client_left();
}

const http::Headers* UpstreamExchange::response_trailers(Trailers& room) const {
  const http::Headers& trailers = backend_.wire().trailers();
  if (trailers.empty()) return nullptr;
  room.emplace(passable_trailers(trailers, response_named_, route_.route->response_headers));
  return room->empty() ? nullptr : &*room;
}

// Before the client gets the last byte, so that its next request finds the endpoint's load as it is.
void UpstreamExchange::endpoint_done() { backend_.picked().in_flight = upstream::InFlight(); }

void UpstreamExchange::release_connection() {
  if (!upload_running_ && upload_done_ && !route_.websocket) backend_.release(*response_);
}

}  // namespace sluice::proxy
