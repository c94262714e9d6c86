#include "gateway/proxy/backend_connection.h"

#include "tls/stream_error.h"
#include "upstream/close_early.h"

namespace sluice::proxy {

using upstream::Failure;
using upstream::FailureCode;

Awaitable<Failure> BackendConnection::open(config::OptionalDuration connect_timeout, tls::Cancellation& cancellation) {
  Failure failure;
  if (!picked_.connection.stream && !picked_.shared) failure = co_await cluster_.connect(picked_, connect_timeout, cancellation);
  was_shared_ = picked_.shared != nullptr;
  if (failure.code == FailureCode::none && picked_.connection.h2) share();
  if (cancellation.reason()) co_return Failure{FailureCode::client_left, upstream::Retryable::no, cancellation.reason().message()};
  co_return failure;
}

void BackendConnection::share() {
  picked_.shared = std::make_shared<Http2Link>(std::move(picked_.connection), picked_.endpoint->state, cluster_.settings(), limits_,
                                               picked_.time.left(), cluster_.metrics());
  picked_.connection = {};
  cluster_.share(picked_.index, picked_.shared);
}

// All connections that exchanges share are links.
void BackendConnection::speak(config::OptionalDuration write_idle, bool accepts_trailers) {
  if (picked_.shared) {
    if (was_shared_) cluster_.metrics().pool_hits.add();
    LinkSeat seat(std::static_pointer_cast<Http2Link>(std::move(picked_.shared)), picked_.tunnel);
    wire_ = &http2_.emplace(std::move(seat), write_idle, accepts_trailers);
    return;
  }
  connection_ = std::move(picked_.connection);
  connection_.stream->set_write_idle(write_idle);
  wire_ = &http1_.emplace(*connection_.stream, limits_);
}

HeadRead BackendConnection::read_head(http::ResponseHead& response) {
  const HeadRead head = wire_->read_head(response);
  if (head.state == HeadRead::reset) was_shared_ = false;  // it was no stale connection
  return head;
}

void BackendConnection::abort(ErrorCode error) {
  if (wire_ != nullptr) wire_->abort(error);
}

bool BackendConnection::is_unagreed() const noexcept {
  return connection_.stream && connection_.stream->is_tls() && connection_.stream->alpn() != "http/1.1";
}

void BackendConnection::release(const http::ResponseHead& response) {
  if (!http1_ || !response.keep_alive || !http1_->ended_cleanly() || response.body.kind == http::BodyKind::until_close) return;
  wire_ = nullptr;
  cluster_.release(picked_.index, std::move(connection_));
}

TunnelBackend BackendConnection::take_for_tunnel(config::OptionalDuration write_idle) {
  wire_ = nullptr;
  if (http2_) {
    http2::StreamPtr stream = http2_->take_stream();
    stream->set_write_idle(write_idle, nullptr);
    return {.seat = http2_->take_seat(), .stream = std::move(stream)};
  }
  connection_.stream->set_write_idle(write_idle);
  return {.place = std::move(connection_.place), .open = std::move(connection_.open), .stream = std::move(connection_.stream)};
}

void BackendConnection::drop() noexcept {
  wire_ = nullptr;
  http1_.reset();
  http2_.reset();
  if (connection_.stream) upstream::close_early(std::move(connection_.stream));
  connection_ = {};
  picked_.shared.reset();
}

}  // namespace sluice::proxy
