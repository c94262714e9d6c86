// Addresses and CIDR blocks from text. No name is resolved and no socket opened here.
#pragma once

#include <string>

#include "config/listener_config.h"
#include "config/report.h"

namespace sluice::config {

// `127.0.0.1:8080`, `[::1]:8080`, no unix socket; `localhost` is read as 127.0.0.1. The host comes out in its
// canonical spelling.
Fault parse_address(const std::string& text, Address& address);
// The same, or `unix:PATH`.
Fault parse_listener_address(const std::string& text, Address& address);
// The path of `unix:PATH`. `text` begins with kUnixPrefix.
Fault parse_unix_path(const std::string& text, std::string& path);
// Whether the system takes it as the address of a socket.
Fault check_unix_path(const std::string& path);
inline constexpr char kUnixPrefix[] = "unix:";
// `0660`: who may connect to a unix socket.
Fault parse_mode(const std::string& text, unsigned& mode);
// `10.0.0.0/8`, `fd00::/8`, or one address. Bits after the length are cleared.
Fault parse_cidr(const std::string& text, Cidr& cidr);
// The canonical spelling of an IP address, or the text itself when it is none.
std::string canonical_ip(const std::string& text);
// The canonical spelling of 4 or 16 bytes in network order; a v4-mapped v6 address comes out as the v4
// address that it is.
std::string ip_text(const std::uint8_t* address, bool v6);
// Of 16 bytes in network order: ::ffff:192.0.2.1, as a socket for both families tells of an IPv4 address. The last four are it.
bool is_mapped_v4(const std::uint8_t* address);
bool is_loopback(const Address& address);
// Whether 4 or 16 bytes in network order are among the listener's trusted_proxies.
bool trusts(const Listener& listener, const std::uint8_t* address, bool v6);

// Splits `host`, `host:port` or `[v6]:port`; `port` is empty when there is none. False when it cannot be
// split.
bool split_host_port(const std::string& text, std::string& host, std::string& port);

}  // namespace sluice::config
