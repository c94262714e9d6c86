// What is known about a client connection before its first byte of HTTP; the peer is whom a believed PROXY header tells. Lives as long
// as the connection; read only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "config/listener_config.h"
#include "tls/served_certificate.h"

namespace sluice::proxy {

struct ConnectionInfo {
  std::shared_ptr<const config::Listener> listener;  // as it was when the connection was accepted
  std::string peer_address;                          // without port and brackets
  std::uint16_t peer_port = 0;
  bool peer_trusted = false;                   // in the listener's trusted_proxies
  int descriptor = -1;                         // of the client's socket, to be asked for its own address
  config::Duration opening_took{};             // what a PROXY header has used up of the time for what comes next
  std::string tls_version;                     // "TLSv1.3"; empty on a plain connection
  std::string sni;
  std::optional<tls::ServedCertificate> served{};  // to a client that named a host, and may ask for others: on HTTP/2
  std::string client_subject;                  // of the client's verified certificate; empty: it showed none

  std::string_view scheme() const noexcept { return listener->tls ? "https" : "http"; }
};

}  // namespace sluice::proxy
