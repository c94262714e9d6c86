// Serves HTTP/2 on one client connection: a coroutine per request, and one that waits for the end of all of it. On its worker's thread.
#pragma once

#include "gateway/http2/connection.h"
#include "gateway/proxy/connection_info.h"
#include "gateway/proxy/reply.h"
#include "gateway/proxy/services.h"
#include "gateway/sessions/http2_exchange.h"
#include "gateway/sessions/session_set.h"

namespace sluice::sessions {

class Http2Session final : private http2::ConnectionOwner {
 public:
  Http2Session(proxy::Services& services, SessionSet& sessions, const proxy::ConnectionInfo& connection, tls::StreamPtr stream);

  // Returns when the connection has ended, and the last of its requests.
  Awaitable<> run();

 private:
  // What the client has to do within a time.
  enum class Awaits : std::uint8_t { nothing, first_request, rest_of_head, next_request };

  void request_came(http2::Arrival arrival) override;
  void request_violated(metrics::Http2Violation violation) override { note(violation, "a request"); }
  void turn_ended() override;
  void connection_ended(ErrorCode error) override;

  static Awaitable<> serve(Http2Session& session, http2::Arrival arrival);
  static Awaitable<> answer(Http2Session& session, http2::Arrival arrival);
  static Awaitable<bool> ends_empty(Http2Session& session, Http2Exchange& exchange);
  static void refuse(Http2Session& session, Http2Exchange& exchange, const proxy::Reply& reply);
  void note(metrics::Http2Violation violation, std::string_view ended);
  void count_leave(metrics::Counter& reason);
  bool over() const noexcept { return ended_ && requests_ == 0; }
  Awaits awaits() const noexcept;
  void on_time();
  void drain();

  proxy::Services& services_;
  const metrics::GaugeHold open_;
  const proxy::ConnectionInfo& info_;
  tls::Deadline deadline_;   // for what is awaited
  tls::Deadline leaving_;    // when no more requests are taken, after that was announced
  tls::NextTurn next_turn_;  // for `done_`: nothing ends the connection from within
  tls::Waiter done_;
  Awaits awaits_ = Awaits::nothing;
  std::size_t requests_ = 0;  // that are being served
  bool first_ = true;         // no request has come yet
  bool left_ = false;         // a GOAWAY was sent, or asked for
  bool ended_ = false;
  ErrorCode error_;
  http2::Connection connection_;
  SessionEntry entry_;
};

}  // namespace sluice::sessions
