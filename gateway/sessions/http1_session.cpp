#include "gateway/sessions/http1_session.h"

#include "gateway/http1/request_parser.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/handle_request.h"
#include "gateway/proxy/reply.h"
#include "gateway/sessions/linger.h"
#include "tls/held_share.h"
#include "tls/reset_on_close.h"
#include "tls/stream_error.h"

namespace sluice::sessions {
namespace {

using tls::kHeadRead;
using tls::StreamError;

constexpr unsigned kRequestsPerTurn = 16;

}  // namespace

Http1Session::Http1Session(proxy::Services& services, SessionSet& sessions, const proxy::ConnectionInfo& connection,
                           tls::StreamPtr stream)
    : services_(services),
      exchange_(connection, std::move(stream), services.draining),
      deadline_(
          services.io.wheel,
          [](void* self) {
            auto& session = *static_cast<Http1Session*>(self);
            session.timed_out_ = true;
            session.exchange_.stream().interrupt_wait();
          },
          this),
      entry_(sessions, exchange_.stream(), [](void* self) { static_cast<Http1Session*>(self)->drain(); }, this) {
  exchange_.stream().set_write_idle(services.generation->config().timeouts.client_write_idle,
                                    &services.io.metrics.timeout_client_write);
}

Awaitable<std::unique_ptr<websocket::Tunnel>> Http1Session::run() {
  for (;;) {
    exchange_.reset();
    const HeadState head = co_await read_request_head();
    if (head == HeadState::ended) break;
    if (head == HeadState::ready) {
      std::unique_ptr<websocket::Tunnel> tunnel = co_await proxy::handle_request(exchange_, services_);
      if (tunnel) co_return tunnel;
    }
    tls::Stream& stream = exchange_.stream();
    if (!exchange_.broken()) {
      while (!stream.flushed()) co_await stream.wait_flushed();
    }
    if (exchange_.broken() || stream.write_error()) {
      break_connection();
      if (exchange_.ends_by_close()) co_return nullptr;
      break;
    }
    if (!exchange_.reusable() || services_.draining) {
      co_await linger(stream);
      break;
    }
    if (++served_in_turn_ >= kRequestsPerTurn) {  // a client that pipelines must not keep the others waiting
      served_in_turn_ = 0;
      co_await services_.io.loop.next_turn();
    }
  }
  co_await see_off(services_, exchange_.stream());
  co_return nullptr;
}

Awaitable<Http1Session::HeadState> Http1Session::read_request_head() {
  std::optional<http1::RequestParser> parser;
  std::string partial;
  tls::HeldShare held(services_.io);  // for `partial`
  bool begun = false;
  timed_out_ = false;
  if (services_.draining && !first_) co_return HeadState::ended;
  state_ = first_ ? State::fresh : State::idle;
  for (;;) {
    char* scratch = services_.io.scratch();
    const tls::ReadResult read = exchange_.stream().read_some(scratch, kHeadRead);
    if (read.error == StreamError::would_block) {
      if (timed_out_) co_return head_timed_out(begun);
      // A new connection has request_head for its first request, silence included.
      if (!deadline_.is_set()) deadline_.set_after(wait_for_head());
      served_in_turn_ = 0;
      co_await exchange_.stream().wait_readable();
      continue;
    }
    if (read.error) co_return HeadState::ended;
    if (!begun) {
      begun = true;
      exchange_.generation = services_.generation;
      const config::Limits& limits = exchange_.generation->config().limits;
      parser.emplace(http1::HeadLimits{limits.max_request_line, limits.max_request_head, limits.max_headers});
      state_ = State::busy;
      exchange_.record.stages.begin = Clock::now();
      exchange_.record.time = std::chrono::system_clock::now();
      if (!first_) deadline_.clear();
    }
    std::string_view bytes(scratch, read.size);
    if (!partial.empty()) bytes = partial.append(bytes);
    const http1::HeadResult result = parser->parse(bytes, exchange_.head());
    if (result.state == http1::HeadResult::failed) {
      services_.io.metrics.count_parse_error(static_cast<std::size_t>(result.error));
      co_return refuse(proxy::reply_for(result.error));
    }
    if (result.state == http1::HeadResult::complete) {
      exchange_.stream().unread(bytes.substr(result.consumed));
      deadline_.clear();
      first_ = false;
      exchange_.begin();
      exchange_.record.stages.head_read = Clock::now();
      co_return HeadState::ready;
    }
    if (!held.take_or_cut(read.size)) {
      services_.io.metrics.held_rejected.add();
      co_return refuse(proxy::reply_for(upstream::FailureCode::overloaded));
    }
    if (partial.empty()) partial.assign(bytes);
    if (!deadline_.is_set()) deadline_.set_after(exchange_.generation->config().timeouts.request_head);
  }
}

config::OptionalDuration Http1Session::wait_for_head() const {
  const config::Timeouts& timeouts = services_.generation->config().timeouts;
  if (services_.draining) return kFirstRequestWhileDraining;
  return first_ ? left_of(timeouts.request_head, exchange_.connection.opening_took) : timeouts.keepalive_idle;
}

Http1Session::HeadState Http1Session::head_timed_out(bool begun) {
  if (!begun) {
    (first_ ? services_.io.metrics.timeout_request_head : services_.io.metrics.timeout_keepalive).add();
    return HeadState::ended;
  }
  services_.io.metrics.timeout_request_head.add();
  return refuse(proxy::reply_for(proxy::Refusal::request_head_timeout));
}

// A request that could not be read: nothing in its head is believed.
Http1Session::HeadState Http1Session::refuse(const proxy::Reply& reply) {
  deadline_.clear();
  exchange_.head().clear();
  exchange_.close_after();
  proxy::send_reply(exchange_, reply);
  proxy::finish_request(exchange_, services_);
  return HeadState::refused;
}

// Ends it when it is idle; a fresh one has a moment for its request. The others end after their response.
void Http1Session::drain() {
  if (state_ == State::idle) {
    exchange_.stream().shutdown_write();
    exchange_.stream().abort(StreamError::draining);
  } else if (state_ == State::fresh) {
    deadline_.set_after(kFirstRequestWhileDraining);
  }
}

// The response is not whole. Its framing shows that, and under TLS the missing close_notify; only where the end of the
// connection is the end of the body must it be a reset, which may cost bytes that are still under way.
void Http1Session::break_connection() {
  tls::Stream& stream = exchange_.stream();
  if (exchange_.ends_by_close()) tls::reset_on_close(stream.descriptor());
  stream.abort(StreamError::cancelled);
}

}  // namespace sluice::sessions
