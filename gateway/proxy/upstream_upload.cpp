#include "gateway/proxy/forward_headers.h"
#include "gateway/proxy/mirror.h"
#include "gateway/proxy/upstream_exchange.h"
#include "tls/stream_error.h"

namespace sluice::proxy {

using tls::kBytesPerTurn;
using tls::StreamError;

Failure UpstreamExchange::send_request(bool keep_body) {
  client_.record.stages.connected = Clock::now();
  Failure failure = upload_now(keep_body);
  client_.record.stages.sent = Clock::now();
  if (failure.code != FailureCode::none) return failure;
  upload_done_ ? request_sent() : start_upload_task();
  return failure;
}

void UpstreamExchange::request_sent() {
  if (route_.mirror != nullptr) route_.mirror->request_sent(held_);
}

// The head with as much of the body as is at hand, in one write.
Failure UpstreamExchange::upload_now(bool keep_body) {
  if (!keep_body) held_.whole = false;
  ErrorCode error;
  if (held_.complete || !held_.bytes.empty()) {  // what an earlier attempt sent already
    error = send_head(held_.bytes, held_.complete);
    upload_done_ = held_.complete;
  } else if (client_.body_complete()) {
    error = send_head({}, true);  // an empty one that was announced without a length is in chunks, too
    upload_done_ = true;
  } else {
    const BodyPiece piece = client_.read_body(services_.io.scratch(), tls::kRelayBlock);
    if (!piece.would_block && !take_piece(piece)) return failure_of(StreamError::cancelled, FailureCode::client_left);
    error = send_head(piece.data, piece.last);
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

ErrorCode UpstreamExchange::send_head(std::string_view payload, bool last) {
  cluster_.metrics().bytes_sent.add(payload.size());
  Trailers room;
  const http::Headers* const trailers = last ? request_trailers(room) : nullptr;
  return backend_.wire().send_head(client_.request, upstream_target(client_, route_), payload, last, trailers);
}

ErrorCode UpstreamExchange::send_piece(std::string_view payload, bool last) {
  cluster_.metrics().bytes_sent.add(payload.size());
  Trailers room;
  const http::Headers* const trailers = last ? request_trailers(room) : nullptr;
  return backend_.wire().send_body(payload, last, trailers);
}

const http::Headers* UpstreamExchange::request_trailers(Trailers& room) const {
  const http::Headers& trailers = client_.request_trailers();
  if (trailers.empty()) return nullptr;
  room.emplace(passable_trailers(trailers, route_.named, route_.route->request_headers));
  return room->empty() ? nullptr : &*room;
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
  std::size_t turn = 0;
  while (!stop_upload_ && !upload_done_) {
    if (backend_.wire().write_error()) break;  // the response tells why, or its absence
    if (!backend_.wire().flushed()) {
      client_.watch_client(&UpstreamExchange::on_client_left, this);  // it is not read meanwhile
      co_await backend_.wire().wait_flushed();
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
    if (send_piece(piece.data, piece.last)) break;
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
    backend_.abort(StreamError::cancelled);
    co_await upload_finished_.wait();
  }
}

}  // namespace sluice::proxy
