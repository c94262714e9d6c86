// An HTTP/2 connection to an endpoint, which the exchanges of one worker share. Its pool knows it as long as it takes more of them,
// the exchanges that are under way keep it alive. It asks for a sign of life when a backend that has something to do is silent.
#pragma once

#include "config/limits_config.h"
#include "gateway/http2/client_connection.h"
#include "upstream/shared_connection.h"

namespace sluice::proxy {

class Http2Link final : public upstream::SharedConnection, private http2::CarrierOwner {
 public:
  // A connection that is open. `state` is the endpoint's; `metrics` outlives this.
  Http2Link(upstream::Connection connection, std::shared_ptr<upstream::EndpointState> state, const config::Upstream& settings,
            const config::Limits& limits, metrics::UpstreamMetrics& metrics);

  bool has_room() const noexcept override { return !retired_ && !refuses_ && connection_.room() > 0; }
  bool is_idle() const noexcept override { return connection_.streams() == 0; }
  const std::string& opening() const noexcept override { return opening_; }
  void retire() override;
  upstream::Place take_place() override;

  // Null: there is no room.
  http2::StreamPtr open(const http::RequestHead& request, std::string_view target, bool accepts_trailers, bool with_body);
  // The backend has refused a request: it gets none until it is done with another.
  void refused() noexcept { refuses_ = connection_.streams() > 0; }
  metrics::Gauge& streams_gauge() noexcept { return metrics_.http2_streams_open; }

 private:
  void turn_ended() override;
  void connection_ended(ErrorCode error) override;
  void look_at_streams();
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
  bool retired_ = false;
  bool refuses_ = false;
  bool over_ = false;
  Clock::time_point asked_at_ = Clock::time_point::max();  // for a sign of life; max: not yet
  upstream::Place idle_;             // while it is: among the endpoint's idle ones
  metrics::GaugeHold idle_gauge_;
  tls::Deadline idle_end_, life_end_, silence_end_;
  tls::NextTurn next_turn_;          // to leave the pool
};

}  // namespace sluice::proxy
