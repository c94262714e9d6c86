// The header of the PROXY protocol that begins a connection to an endpoint and tells for which client it was opened. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/upstream_config.h"

namespace sluice::upstream {

struct ProxyAddress {
  std::uint8_t bytes[16] = {};  // v4 in the first four
  bool v6 = false;
  std::uint16_t port = 0;       // 0: not known
};

// `client` absent: the connection is told to be the gateway's own, or a client's that has no address. `local`: where the client
// connected to; absent: not known. Empty when the version is off.
std::string proxy_header(config::SendProxyProtocol version, const std::optional<ProxyAddress>& client,
                         const std::optional<ProxyAddress>& local);

}  // namespace sluice::upstream
