// X-Forwarded-*, Forwarded (RFC 7239), X-Real-IP, X-Request-Id and Via: read from trusted proxies, written for the upstream.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/listener_config.h"
#include "gateway/http/headers.h"

namespace sluice::http {

// The address of a peer that came over a unix socket, which has none.
inline constexpr std::string_view kUnixPeer = "unix";

struct Peer {
  std::string_view address;       // the TCP peer's IP as text, no brackets; or kUnixPeer
  std::string_view scheme;        // "http" or "https", of the listener
  std::string_view host;          // the request's authority as received
  bool trusted = false;           // the peer is in the listener's trusted_proxies
};

// X-Forwarded-*, Forwarded, X-Real-IP, X-Request-Id: from an untrusted peer they count for nothing.
bool is_forwarding_field(std::string_view name) noexcept;

// What the request's true client is believed to be: views of the peer's texts and of what the list of fields holds.
struct Origin {
  std::string_view client_ip;     // the rightmost untrusted address
  std::string_view scheme;        // what the client spoke to the first proxy, if a trusted one says
  std::string_view host;
  std::string_view request_id;    // kept from trusted proxies if it is sane (1-128 of [A-Za-z0-9._~+/=:-]), else new
};

// `new_request_id`: used when none is kept; must outlive the result, as the texts of `peer` and the list must. No field
// changes, but the list may keep a text of ours.
Origin find_origin(Headers& headers, const Peer& peer, const std::vector<config::Cidr>& trusted,
                   std::string_view new_request_id);

// Replaces whatever the client sent: from an untrusted peer the fields start anew, from a trusted one they are appended to.
// A peer on a unix socket is named in Forwarded alone, as _unix (RFC 7239 6.3): the X- fields hold addresses.
// `via_version`: "1.1" or "1.0", of the received message; the pseudonym is "sluice". The texts of `peer` and `origin` must
// outlive the list (or its next clear()).
void set_forwarding_fields(Headers& headers, const Peer& peer, const Origin& origin, std::string_view via_version);
// Appends to Via of a response.
void add_via(Headers& headers, std::string_view via_version);

}  // namespace sluice::http
