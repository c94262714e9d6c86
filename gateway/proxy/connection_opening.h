// What a connection to an endpoint begins with, before TLS: the PROXY header that tells the request's client.
#pragma once

#include <string>

#include "gateway/proxy/client_exchange.h"

namespace sluice::proxy {

// Empty when the version is off. The client is the one of client_ip; its port is known where it is the peer.
std::string connection_opening(const ClientExchange& exchange, config::SendProxyProtocol version);

}  // namespace sluice::proxy
