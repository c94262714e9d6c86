#include "gateway/sessions/http2_session.h"

#include "gateway/proxy/access_log.h"
#include "gateway/proxy/handle_request.h"
#include "gateway/proxy/reply.h"
#include "gateway/sessions/begin_tunnel.h"
#include "gateway/sessions/http2_exchange.h"
#include "gateway/sessions/linger.h"
#include "metrics/log.h"
#include "tls/held_share.h"

namespace sluice::sessions {
namespace {

http2::SessionRules session_rules(const config::Limits& limits) {
  http2::SessionRules rules;
  rules.max_streams = static_cast<std::uint32_t>(limits.http2.max_concurrent_streams);
  rules.max_header_list = static_cast<std::uint32_t>(limits.http2.max_header_list);
  rules.max_resets = limits.http2.max_resets;
  rules.max_sent_head = std::max<std::size_t>(rules.max_sent_head, limits.max_request_head);
  return rules;
}

http2::RequestLimits request_limits(const config::Limits& limits) {
  return {limits.max_request_line, limits.http2.max_header_list, limits.max_headers};
}

// Of a request with a fault nothing is believed. What is known of method, target and host is for the log; and an answer to HEAD has no body.
void distrust(http::RequestHead& request) {
  request.headers.remove_if([](const http::Field&) { return true; });
  request.protocol = request.path = request.query = {};
  request.body = {};
  request.expect_continue = false;
}

}  // namespace

Http2Session::Http2Session(proxy::Services& services, SessionSet& sessions, const proxy::ConnectionInfo& connection, tls::StreamPtr stream)
    : services_(services),
      open_(services.http2_metrics.connections_open),
      info_(connection),
      deadline_(services.io.wheel, [](void* self) { static_cast<Http2Session*>(self)->on_time(); }, this),
      leaving_(services.io.wheel, [](void* self) { static_cast<Http2Session*>(self)->connection_.go_away(); }, this),
      next_turn_(services.io.loop, [](void* self) { static_cast<Http2Session*>(self)->done_.wake(); }, this),
      connection_(std::move(stream), session_rules(services.generation->config().limits), request_limits(services.generation->config().limits),
                  services.http2_metrics, *this),
      entry_(sessions, connection_.socket(), [](void* self) { static_cast<Http2Session*>(self)->drain(); }, this) {
  connection_.socket().set_write_idle(services.generation->config().timeouts.client_write_idle, &services.io.metrics.timeout_client_write);
}

Awaitable<> Http2Session::run() {
  connection_.start();
  if (services_.draining) drain();
  while (!over()) co_await done_.wait();
  if (!error_) co_await linger(connection_.socket());
  co_await see_off(services_, connection_.socket());
}

// ---- the connection --------------------------------------------------------------------------------------------------

void Http2Session::request_came(http2::Arrival arrival) {
  first_ = false;
  Awaitable<> request = serve(*this, std::move(arrival));  // what memory is missing for, has not begun
  ++requests_;
  services_.io.loop.spawn(std::move(request));
}

void Http2Session::turn_ended() {
  const Awaits before = std::exchange(awaits_, awaits());
  if (awaits_ == before) return;
  const config::Timeouts& timeouts = services_.generation->config().timeouts;
  switch (awaits_) {
    case Awaits::nothing:
      return deadline_.clear();
    case Awaits::first_request:
      return deadline_.set_after(left_of(timeouts.request_head, info_.opening_took));
    case Awaits::rest_of_head:
      return deadline_.set_after(timeouts.request_head);
    case Awaits::next_request:
      return deadline_.set_after(timeouts.keepalive_idle);
  }
}

Http2Session::Awaits Http2Session::awaits() const noexcept {
  if (first_) return Awaits::first_request;
  if (connection_.reads_head()) return Awaits::rest_of_head;
  return requests_ == 0 && connection_.streams() == 0 ? Awaits::next_request : Awaits::nothing;
}

void Http2Session::on_time() {
  metrics::ConnectionMetrics& metrics = services_.io.metrics;
  if (awaits_ == Awaits::next_request) {
    metrics.timeout_keepalive.add();
    count_leave(services_.http2_metrics.goaway_idle);
    return connection_.go_away();
  }
  if (awaits_ == Awaits::rest_of_head) {  // maybe of another one than when the deadline was set
    const config::OptionalDuration limit = services_.generation->config().timeouts.request_head;
    const auto passed = std::chrono::floor<config::Duration>(Clock::now() - connection_.head_began());
    if (!limit || passed < *limit) return deadline_.set_after(left_of(limit, passed));
  }
  metrics.timeout_request_head.add();
  count_leave(services_.http2_metrics.goaway_timeout);
  connection_.reads_head() ? connection_.fail(http2::Code::enhance_your_calm) : connection_.go_away();
}

void Http2Session::connection_ended(ErrorCode error) {
  ended_ = true;
  error_ = error;
  if (connection_.violation() != metrics::Http2Violation::none) {
    note(connection_.violation(), "a connection");
    count_leave(services_.http2_metrics.goaway_violation);
  }
  deadline_.clear();
  leaving_.clear();
  if (over()) next_turn_.request();
}

// The line names the client: it is all that is known of one whose requests never came to be.
void Http2Session::note(metrics::Http2Violation violation, std::string_view ended) {
  services_.http2_metrics.count(violation);
  const std::string_view reason = name_of(violation);
  if (!services_.log_limit.admit(reason)) return;
  metrics::log().warn("listener {}: {} of {} was ended: it broke a rule or a bound of HTTP/2 ({})", info_.listener->name, ended,
                      info_.peer_address, reason);
}

void Http2Session::count_leave(metrics::Counter& reason) {
  if (!std::exchange(left_, true)) reason.add();
}

// A request may be under way that was sent before the client could know. It is served still.
void Http2Session::drain() {
  if (ended_) return;
  count_leave(services_.http2_metrics.goaway_drain);
  connection_.announce_shutdown();
  leaving_.set_after(kFirstRequestWhileDraining);
}

// ---- a request -------------------------------------------------------------------------------------------------------

// The last catch for exceptions is here: whatever happens, it costs this request only.
Awaitable<> Http2Session::serve(Http2Session& session, http2::Arrival arrival) {
  try {
    co_await answer(session, std::move(arrival));
  } catch (const std::exception& error) {
    if (session.services_.log_limit.admit("request_failed")) metrics::log().error("a request failed: {}", error.what());
  }
  --session.requests_;
  if (session.over()) {
    session.next_turn_.request();
  } else if (!session.ended_) {
    session.turn_ended();
  }
}

Awaitable<> Http2Session::answer(Http2Session& session, http2::Arrival arrival) {
  proxy::Services& services = session.services_;
  arrival.stream->set_write_idle(services.generation->config().timeouts.client_write_idle, &services.io.metrics.timeout_client_write);
  const http::ParseError fault = arrival.fault;
  const std::size_t head_size = arrival.head_size;
  const Clock::time_point began = arrival.began;
  Http2Exchange exchange(session.info_, std::move(arrival.stream), std::move(arrival.head));
  exchange.generation = services.generation;
  exchange.record.stages.begin = began;
  exchange.record.time = std::chrono::system_clock::now();
  if (fault != http::ParseError::none) {
    services.io.metrics.count_parse_error(static_cast<std::size_t>(fault));
    distrust(exchange.request);
    co_return refuse(session, exchange, proxy::reply_for(fault));
  }
  tls::HeldShare head_share(services.io);
  if (head_size > http2::kFreeHead && !head_share.take(head_size)) {
    services.io.metrics.held_rejected.add();
    co_return refuse(session, exchange, proxy::reply_for(upstream::FailureCode::overloaded));
  }
  const http::BodyFraming& body = exchange.request.body;
  if (body.kind == http::BodyKind::length && body.content_length == 0 && !exchange.body_complete()) {
    const bool empty = co_await ends_empty(session, exchange);
    if (!empty) co_return;
  }
  exchange.record.stages.head_read = Clock::now();
  std::unique_ptr<websocket::Tunnel> tunnel = co_await proxy::handle_request(exchange, services);
  if (tunnel) begin_tunnel(services, std::move(tunnel));
}

void Http2Session::refuse(Http2Session& session, Http2Exchange& exchange, const proxy::Reply& reply) {
  proxy::send_reply(exchange, reply);
  proxy::finish_request(exchange, session.services_);
}

// A request that says it has no body is known to have none when its end comes. It is reset when some comes instead, and nobody has
// heard of it. False: it is over.
Awaitable<bool> Http2Session::ends_empty(Http2Session& session, Http2Exchange& exchange) {
  struct Wait {
    Http2Exchange& exchange;
    bool timed_out = false;
  } wait{exchange};
  tls::Deadline deadline(
      session.services_.io.wheel,
      [](void* context) {
        Wait& waiting = *static_cast<Wait*>(context);
        waiting.timed_out = true;
        waiting.exchange.interrupt_wait();
      },
      &wait);
  deadline.set_after(exchange.generation->config().timeouts.request_body_idle);
  while (!exchange.body_complete() && !exchange.write_error() && !wait.timed_out) co_await exchange.wait_body();
  if (exchange.body_complete()) co_return true;
  if (exchange.write_error()) {
    exchange.record.status = 499;
    exchange.record.failure = proxy::reply_for(upstream::FailureCode::client_left).error;
    proxy::finish_request(exchange, session.services_);
    co_return false;
  }
  session.services_.io.metrics.timeout_request_body.add();
  refuse(session, exchange, proxy::reply_for(proxy::Refusal::request_body_timeout));
  co_return false;
}

}  // namespace sluice::sessions
