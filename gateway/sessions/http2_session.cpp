#include "gateway/sessions/http2_session.h"

#include "gateway/proxy/access_log.h"
#include "gateway/proxy/handle_request.h"
#include "gateway/proxy/reply.h"
#include "gateway/sessions/http2_exchange.h"
#include "gateway/sessions/linger.h"
#include "metrics/log.h"

namespace sluice::sessions {
namespace {

http2::SessionRules session_rules(const config::Limits& limits) {
  http2::SessionRules rules;
  rules.max_sent_head = std::max<std::size_t>(rules.max_sent_head, limits.max_request_head);
  return rules;
}

http2::RequestLimits request_limits(const config::Limits& limits) {
  return {limits.max_request_line, http2::SessionRules{}.max_header_list, limits.max_headers};
}

}  // namespace

Http2Session::Http2Session(proxy::Services& services, SessionSet& sessions, const proxy::ConnectionInfo& connection, tls::StreamPtr stream)
    : services_(services),
      info_(connection),
      deadline_(services.io.wheel, [](void* self) { static_cast<Http2Session*>(self)->on_time(); }, this),
      leaving_(services.io.wheel, [](void* self) { static_cast<Http2Session*>(self)->connection_.go_away(); }, this),
      next_turn_(services.io.loop, [](void* self) { static_cast<Http2Session*>(self)->done_.wake(); }, this),
      connection_(std::move(stream), session_rules(services.generation->config().limits), request_limits(services.generation->config().limits),
                  *this),
      entry_(sessions, connection_.socket(), [](void* self) { static_cast<Http2Session*>(self)->drain(); }, this) {
  connection_.socket().set_write_idle(services.generation->config().timeouts.client_write_idle, &services.io.metrics.timeout_client_write);
}

Awaitable<> Http2Session::run() {
  connection_.start();
  if (services_.draining) drain();
  while (!over()) co_await done_.wait();
  if (!error_) co_await linger(connection_.socket());
}

// ---- the connection --------------------------------------------------------------------------------------------------

void Http2Session::request_came(http2::Arrival arrival) {
  first_ = false;
  ++requests_;
  services_.io.loop.spawn(serve(*this, std::move(arrival)));
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
    return connection_.go_away();
  }
  if (awaits_ == Awaits::rest_of_head) {  // maybe of another one than when the deadline was set
    const config::OptionalDuration limit = services_.generation->config().timeouts.request_head;
    const auto passed = std::chrono::floor<config::Duration>(Clock::now() - connection_.head_began());
    if (!limit || passed < *limit) return deadline_.set_after(left_of(limit, passed));
  }
  metrics.timeout_request_head.add();
  connection_.reads_head() ? connection_.fail(http2::Code::enhance_your_calm) : connection_.go_away();
}

void Http2Session::connection_ended(ErrorCode error) {
  ended_ = true;
  error_ = error;
  deadline_.clear();
  leaving_.clear();
  if (over()) next_turn_.request();
}

// A request may be under way that was sent before the client could know. It is served still.
void Http2Session::drain() {
  if (ended_) return;
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
  const Clock::time_point began = arrival.began;
  Http2Exchange exchange(session.info_, std::move(arrival.stream), std::move(arrival.head));
  exchange.generation = services.generation;
  exchange.record.stages.begin = began;
  exchange.record.time = std::chrono::system_clock::now();
  if (fault != http::ParseError::none) {
    services.io.metrics.count_parse_error(static_cast<std::size_t>(fault));
    exchange.request.clear();  // nothing in it is believed
    proxy::send_reply(exchange, proxy::reply_for(fault));
    proxy::finish_request(exchange, services);
    co_return;
  }
  exchange.record.stages.head_read = Clock::now();
  co_await proxy::handle_request(exchange, services);
}

}  // namespace sluice::sessions
