// The opening handshake (RFC 6455 4): checking a client's request and a backend's answer. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/message.h"

namespace sluice::websocket {

enum class HandshakeError : std::uint8_t {
  none,
  not_get,
  not_http_1_1,
  has_body,
  missing_connection_upgrade,
  repeated_upgrade,
  bad_version,
  missing_key,
  repeated_key,
  bad_key,
  // of a backend's 101
  old_response,
  bad_upgrade,
  bad_connection,
  bad_accept,
  unoffered_subprotocol,
  unoffered_extension,
  unasked,
  count_,
};
std::string_view name_of(HandshakeError error) noexcept;
std::string_view describe(HandshakeError error) noexcept;
// 400, or 426 for bad_version (the answer then carries Sec-WebSocket-Version: 13); 502 for a backend's
// errors. 101 for none.
unsigned status_of(HandshakeError error) noexcept;

// What a request's Upgrade field asks for. Only a request that names Upgrade in Connection asks for one (RFC
// 9110 7.8). One exception: `Upgrade: websocket` with a Sec-WebSocket-Key is a WebSocket handshake whatever
// Connection says. Served as a plain GET it would get a puzzling answer from the backend, so check_request()
// refuses it (RFC 6455 4.2.1) and says why. The same goes for methods and versions that cannot upgrade.
enum class UpgradeKind : std::uint8_t {
  none,
  websocket,  // the token "websocket" in any case and list position; to be validated
  other,      // h2c and the like: not forwarded, the request is served without its upgrade
};
UpgradeKind upgrade_kind(const http::RequestHead& request) noexcept;

// For a request whose upgrade_kind() is websocket. `Content-Length: 0` is no body.
HandshakeError check_request(const http::RequestHead& request) noexcept;
// A Sec-WebSocket-Key of the gateway's own: 16 bytes by chance.
std::string make_key();
// The Sec-WebSocket-Accept value for a key (28 characters).
std::string accept_for(std::string_view key);
// A 101 against the request as it was prepared for the backend (with its Connection and Upgrade): `unasked` when
// that was no WebSocket upgrade.
HandshakeError check_response(const http::RequestHead& request, const http::ResponseHead& response);

}  // namespace sluice::websocket
