#include "gateway/proxy/http2_link.h"

#include "gateway/proxy/connect_handshake.h"
#include "tls/stream_error.h"

namespace sluice::proxy {
namespace {

// With requests under way.
constexpr std::chrono::milliseconds kMostSilence{30'000};
constexpr std::chrono::milliseconds kSignOfLife{10'000};  // after it was asked for
constexpr std::chrono::seconds kRefusalHolds{1};

http2::SessionRules rules_of(const config::Limits& limits) {
  http2::SessionRules rules;
  rules.max_header_list = static_cast<std::uint32_t>(limits.max_request_head);
  rules.max_sent_head = std::max<std::size_t>(rules.max_sent_head, 2 * limits.max_request_head);  // with what the gateway adds
  return rules;
}

Http2Link& link_of(void* link) { return *static_cast<Http2Link*>(link); }

}  // namespace

Http2Link::Http2Link(upstream::Connection connection, std::shared_ptr<upstream::EndpointState> state, const config::Upstream& settings,
                     const config::Limits& limits, config::OptionalDuration settle_within, metrics::UpstreamMetrics& metrics)
    : metrics_(metrics),
      state_(std::move(state)),
      idle_timeout_(settings.pool.idle_timeout),
      place_(std::move(connection.place)),
      open_(std::move(connection.open)),
      opening_(std::move(connection.opening)),
      secure_(connection.stream->is_tls()),
      connection_(std::move(connection.stream), rules_of(limits), {limits.max_request_head, limits.max_headers}, *this),
      idle_end_(connection_.io().wheel, [](void* self) { link_of(self).on_idle(); }, this),
      life_end_(connection_.io().wheel, [](void* self) { link_of(self).retire(); }, this),
      silence_end_(connection_.io().wheel, [](void* self) { link_of(self).on_silence(); }, this),
      settle_end_(connection_.io().wheel, [](void* self) { link_of(self).on_unsettled(); }, this),
      next_turn_(connection_.io().loop, [](void* self) { link_of(self).leave_pool(); }, this),
      waiting_(connection_.io().loop) {
  connection_.socket().set_write_idle(kMostSilence + kSignOfLife);  // what a backend says is no sign that it reads
  connection_.start();
  look_at_streams();
  life_end_.set_after(settings.pool.max_lifetime);
  settle_end_.set_after(settle_within);
}

http2::StreamPtr Http2Link::open(const http::RequestHead& request, std::string_view target, bool accepts_trailers, bool with_body) {
  return open({request.method, secure_ ? "https" : "http", target, request.headers, accepts_trailers}, with_body);
}

http2::StreamPtr Http2Link::open_tunnel(const http::RequestHead& handshake, std::string_view target) {
  const http::Headers headers = connect_headers(handshake.headers);
  const std::string_view scheme = secure_ ? "https" : "http";
  return open({.method = "CONNECT", .scheme = scheme, .target = target, .headers = headers, .protocol = "websocket"}, true);
}

http2::StreamPtr Http2Link::open(const http2::OutgoingRequest& request, bool with_body) {
  if (retired_) return nullptr;
  http2::StreamPtr stream = connection_.open(request, with_body);
  look_at_streams();
  return stream;
}

Awaitable<ErrorCode> Http2Link::wait_settings(tls::Cancellation& cancellation) {
  tls::WaitQueue::Bound bound(connection_.io().wheel, std::nullopt, cancellation);
  ++settling_;
  look_at_streams();
  while (!bound.stopped() && !over_ && !settled_ && !silent_) co_await waiting_.wait(bound);
  --settling_;
  look_at_streams();
  if (retired_ && !over_) connection_.go_away();
  if (bound.stopped()) co_return bound.stopped();
  if (over_) co_return std::make_error_code(std::errc::connection_reset);
  co_return settled_ ? ErrorCode() : make_error_code(tls::StreamError::timed_out);
}

std::string_view Http2Link::doubt() const noexcept {
  if (secure_ || takes_tunnels().has_value() || !connection_.is_leaving()) return {};  // an https endpoint has agreed on it
  if (connection_.answered_in_http1()) return "it answered in HTTP/1.1 when HTTP/2 was begun; does it speak HTTP/2, as protocol: h2 says?";
  return "it ended the connection before its SETTINGS; does it speak HTTP/2, as protocol: h2 says?";
}

void Http2Link::refused(bool tunnel) noexcept {
  if (connection_.streams() == 0) return;
  const Clock::time_point until = Clock::now() + kRefusalHolds;
  no_tunnels_until_ = until;
  if (!tunnel) no_requests_until_ = until;
}

bool Http2Link::refuses(bool tunnel) const noexcept {
  const Clock::time_point until = tunnel ? no_tunnels_until_ : no_requests_until_;
  return until != kLongAgo && Clock::now() < until;
}

// Its streams may go on for long: the pool need not know of them. A connection without any would end with its GOAWAY, under whoever waits
// for the first SETTINGS; what those say is good for another connection.
void Http2Link::retire() {
  if (std::exchange(retired_, true) || over_) return;
  if (settling_ == 0) connection_.go_away();
  next_turn_.request();
}

upstream::Place Http2Link::take_place() {
  retired_ = over_ = true;
  connection_.socket().abort(tls::StreamError::cancelled);
  return std::move(place_);
}

// A backend that allows no stream, and has none, is of no use: every request would leave another connection to it behind.
void Http2Link::turn_ended() {
  look_at_streams();
  if (!settled_ && takes_tunnels().has_value()) {  // yes or no
    settled_ = true;
    settle_end_.clear();
    waiting_.wake_all();
    settled();
  }
  if (connection_.room() == 0 && (connection_.is_leaving() || streams_ == 0)) retire();
}

void Http2Link::look_at_streams() {
  if (over_) return;
  const std::size_t before = std::exchange(streams_, connection_.streams());
  if (streams_ < before) no_requests_until_ = no_tunnels_until_ = kLongAgo;
  if (!is_idle()) {
    idle_.give_back();
    idle_gauge_ = {};
    idle_end_.clear();
    if (!silence_end_.is_set()) silence_end_.set_after(kMostSilence);
  } else if (!idle_ && !retired_) {
    idle_ = upstream::Place::take({state_, &state_->idle}, std::nullopt);
    idle_gauge_ = metrics::GaugeHold(metrics_.connections_idle);
    idle_end_.set_after(idle_timeout_);
    silence_end_.clear();
  }
}

void Http2Link::on_idle() { is_idle() ? retire() : idle_end_.set_after(idle_timeout_); }

// Requests that are under way may have their answers yet.
void Http2Link::on_unsettled() {
  silent_ = true;
  waiting_.wake_all();
  retire();
}

void Http2Link::on_silence() {
  const Clock::time_point heard = connection_.heard();
  if (asked_at_ != Clock::time_point::max() && heard < asked_at_) return connection_.socket().abort(tls::StreamError::timed_out);
  const auto silent_for = std::chrono::ceil<std::chrono::milliseconds>(Clock::now() - heard);
  asked_at_ = Clock::time_point::max();
  if (silent_for < kMostSilence) return silence_end_.set_after(kMostSilence - silent_for);
  asked_at_ = Clock::now();
  connection_.ping();
  silence_end_.set_after(kSignOfLife);
}

void Http2Link::connection_ended(ErrorCode) {
  retired_ = over_ = true;
  for (tls::Deadline* deadline : {&idle_end_, &life_end_, &silence_end_, &settle_end_}) deadline->clear();
  idle_.give_back();
  idle_gauge_ = {};
  next_turn_.request();
  waiting_.wake_all();
}

LinkSeat::LinkSeat(std::shared_ptr<Http2Link> link, bool tunnel)
    : link_(std::move(link)), tunnel_(tunnel), streams_open_(link_->metrics_.http2_streams_open) {
  if (!tunnel_) return;
  ++link_->tunnels_;
  tunnels_open_ = metrics::GaugeHold(link_->metrics_.http2_tunnels_open);
}

LinkSeat& LinkSeat::operator=(LinkSeat&& other) noexcept {
  std::swap(link_, other.link_);
  std::swap(tunnel_, other.tunnel_);
  std::swap(streams_open_, other.streams_open_);
  std::swap(tunnels_open_, other.tunnels_open_);
  return *this;
}

LinkSeat::~LinkSeat() {
  if (link_ && tunnel_) --link_->tunnels_;
}

}  // namespace sluice::proxy
