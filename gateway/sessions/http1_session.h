// Serves HTTP/1.1 and 1.0 on one client connection: reads a head, has it handled, and again, until the connection ends or
// becomes a tunnel. One coroutine on its worker's thread.
#pragma once

#include <memory>

#include "gateway/proxy/reply.h"
#include "gateway/proxy/services.h"
#include "gateway/sessions/http1_exchange.h"
#include "gateway/sessions/session_set.h"
#include "gateway/websocket/tunnel.h"

namespace sluice::sessions {

class Http1Session {
 public:
  Http1Session(proxy::Services& services, SessionSet& sessions, const proxy::ConnectionInfo& connection,
               tls::StreamPtr stream);

  // Returns a tunnel if the connection became one.
  Awaitable<std::unique_ptr<websocket::Tunnel>> run();

 private:
  enum class HeadState { ready, refused, ended };
  enum class State : std::uint8_t {
    fresh,  // nothing of a first request was received: one may be under way
    idle,   // between requests, with nothing of the next one received: it may be ended without loss
    busy,
  };
  Awaitable<HeadState> read_request_head();
  config::OptionalDuration wait_for_head() const;
  HeadState refuse(const proxy::Reply& reply);
  HeadState head_timed_out(bool begun);
  void break_connection();
  void drain();

  proxy::Services& services_;
  Http1Exchange exchange_;
  tls::Deadline deadline_;
  SessionEntry entry_;
  State state_ = State::busy;
  bool timed_out_ = false;
  bool first_ = true;              // no request was read yet
  unsigned served_in_turn_ = 0;
};

}  // namespace sluice::sessions
