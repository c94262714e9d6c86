// Addresses and CIDR blocks from text. No name is resolved and no socket opened here.
#pragma once

#include <string>

#include "config/listener_config.h"
#include "config/report.h"

namespace sluice::config {

// `127.0.0.1:8080`, `[::1]:8080`; `localhost` is read as 127.0.0.1. The host comes out in its canonical
// spelling.
Fault parse_address(const std::string& text, Address& address);
// `10.0.0.0/8`, `fd00::/8`, or one address. Bits after the length are cleared.
Fault parse_cidr(const std::string& text, Cidr& cidr);
// The canonical spelling of an IP address, or the text itself when it is none.
std::string canonical_ip(const std::string& text);
bool is_loopback(const Address& address);

// Splits `host`, `host:port` or `[v6]:port`; `port` is empty when there is none. False when it cannot be
// split.
bool split_host_port(const std::string& text, std::string& host, std::string& port);

}  // namespace sluice::config
