// An HTTP/2 connection to an endpoint, which the exchanges and tunnels of one worker share. Its pool knows it as long as it takes more of
// them, those that are under way keep it alive. It asks for a sign of life when a backend that has something to do is silent.
#pragma once

#include "config/limits_config.h"
#include "gateway/http2/client_connection.h"
#include "upstream/shared_connection.h"

namespace sluice::proxy {

class Http2Link final : public upstream::SharedConnection, private http2::CarrierOwner {
 public:
  // A connection that is open. `state` is the endpoint's; `metrics` outlives this. `settle_within`: the backend's first SETTINGS come, or
  // no more exchanges begin here.
  Http2Link(upstream::Connection connection, std::shared_ptr<upstream::EndpointState> state, const config::Upstream& settings,
            const config::Limits& limits, config::OptionalDuration settle_within, metrics::UpstreamMetrics& metrics);

  bool has_room(bool tunnel) const noexcept override { return !retired_ && connection_.room() > settling_ && !refuses(tunnel); }
  std::size_t capacity() const noexcept override { return connection_.capacity(); }
  bool is_idle() const noexcept override { return connection_.streams() == 0 && settling_ == 0; }
  std::optional<bool> takes_tunnels() const noexcept override { return connection_.takes_extended_connect(); }
  std::size_t tunnels() const noexcept override { return tunnels_ + settling_; }
  const std::string& opening() const noexcept override { return opening_; }
  void retire() override;
  upstream::Place take_place() override;

  // Null: there is no room.
  http2::StreamPtr open(const http::RequestHead& request, std::string_view target, bool accepts_trailers, bool with_body);
  // The same for the handshake of a WebSocket, as an extended CONNECT (RFC 8441).
  http2::StreamPtr open_tunnel(const http::RequestHead& handshake, std::string_view target);
  // Returns when takes_tunnels() says something; for who has opened this, others wait by the pool. An error: it will not, or not in time,
  // or the wait was called off. Whoever waits keeps this alive.
  Awaitable<ErrorCode> wait_settings(tls::Cancellation& cancellation);
  // Of one that has ended: that its backend may not speak HTTP/2, as far as nothing but the configuration has said that it does.
  std::string_view doubt() const noexcept;
  // The backend has refused a request, or a WebSocket: it gets none until it is done with something else, or a moment has passed. One that
  // has refused a WebSocket may take requests.
  void refused(bool tunnel) noexcept;

 private:
  friend class LinkSeat;
  static constexpr Clock::time_point kLongAgo = Clock::time_point::min();

  http2::StreamPtr open(const http2::OutgoingRequest& request, bool with_body);
  void turn_ended() override;
  void connection_ended(ErrorCode error) override;
  bool refuses(bool tunnel) const noexcept;
  void look_at_streams();
  void on_idle();
  void on_unsettled();
  void on_silence();

  metrics::UpstreamMetrics& metrics_;
  const std::shared_ptr<upstream::EndpointState> state_;
  const config::OptionalDuration idle_timeout_;
  upstream::Place place_;  // given back after the connection is closed, with the next two
  metrics::GaugeHold open_;
  const std::string opening_;
  const bool secure_;
  http2::ClientConnection connection_;
  std::size_t streams_ = 0;          // when they were looked at last
  std::size_t tunnels_ = 0;          // of those who have a seat
  std::size_t settling_ = 0;         // who wait for the first SETTINGS
  bool settled_ = false;             // they have come
  bool silent_ = false;              // they have not, in time
  bool retired_ = false;
  Clock::time_point no_requests_until_ = kLongAgo, no_tunnels_until_ = kLongAgo;
  bool over_ = false;
  Clock::time_point asked_at_ = Clock::time_point::max();  // for a sign of life; max: not yet
  upstream::Place idle_;             // while it is: among the endpoint's idle ones
  metrics::GaugeHold idle_gauge_;
  tls::Deadline idle_end_, life_end_, silence_end_, settle_end_;
  tls::NextTurn next_turn_;          // to leave the pool
  tls::WaitQueue waiting_;           // for those
};

// That an exchange or a tunnel has a stream on a link, or is about to: it is counted, and the link stays.
class LinkSeat {
 public:
  LinkSeat() = default;
  LinkSeat(std::shared_ptr<Http2Link> link, bool tunnel);
  LinkSeat(LinkSeat&&) noexcept = default;
  LinkSeat& operator=(LinkSeat&& other) noexcept;
  ~LinkSeat();
  Http2Link* operator->() const noexcept { return link_.get(); }
  bool is_tunnels() const noexcept { return tunnel_; }

 private:
  std::shared_ptr<Http2Link> link_;
  bool tunnel_ = false;
  metrics::GaugeHold streams_open_, tunnels_open_;
};

}  // namespace sluice::proxy
