// Answers that the gateway gives itself: one place that turns every failure into a status, a `Sluice-Error` name and a sentence.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "gateway/http/parse_error.h"
#include "gateway/http/uri.h"
#include "gateway/proxy/client_exchange.h"
#include "gateway/websocket/handshake.h"
#include "upstream/failure.h"

namespace sluice::proxy {

// Refusals that have no enum of their own elsewhere.
enum class Refusal : std::uint8_t {
  no_route,             // 404
  no_challenge,         // 404: no file of that name in acme_challenge_directory
  no_host,              // 400: redirect_to_https needs one, HTTP/1.0 may come without
  method_not_allowed,   // 405: CONNECT and TRACE
  misdirected,          // 421: the connection's certificate is not for this host, another one is
  unknown_protocol,     // 501: a CONNECT for another protocol than WebSocket (RFC 8441)
  upgrades_disabled,    // 403: websocket.enabled is false
  origin_not_allowed,   // 403: websocket.origins
  maintenance,          // 503: the route's maintenance is true
  too_many_handshakes,  // 429: websocket.handshake_rate
  too_many_tunnels,     // 503: websocket.max_tunnels
  too_many_tunnels_of_client,  // 503: websocket.max_tunnels_per_client
  request_too_large,    // 413
  request_head_timeout, // 408
  request_body_timeout, // 408
  bad_rewrite,          // 500: the route's rewrite makes no valid path of this one
  internal_error,       // 500
};

struct Reply {
  unsigned status = 500;
  std::string_view error;     // the `Sluice-Error` value; static
  std::string_view sentence;  // for people; static
  std::chrono::seconds retry_after{0};  // when it is worth another try; 0: of most nothing is said
};

Reply reply_for(Refusal refusal) noexcept;
Reply reply_for(http::ParseError error) noexcept;
Reply reply_for(http::PathError error) noexcept;
Reply reply_for(websocket::HandshakeError error) noexcept;
Reply reply_for(upstream::FailureCode code) noexcept;

// Sends it as the route's error page for that status, or as a short text, and notes status and reason in the record. False: another response has left already.
bool send_reply(ClientExchange& exchange, const Reply& reply);
// A whole response at once.
void send_response(ClientExchange& exchange, unsigned status, http::Headers& headers, std::string_view body);

}  // namespace sluice::proxy
