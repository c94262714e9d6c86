// `listeners`: where the gateway accepts, and how it speaks TLS there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/values.h"

namespace sluice::config {

// A literal IP address and port, or a unix socket. `[::]:port` is v6 only.
struct Address {
  std::string host;  // without brackets; empty for a unix socket
  std::uint16_t port = 0;
  bool v6 = false;
  std::string path = {};  // of a unix socket, else empty
  bool is_unix() const { return !path.empty(); }
  std::string text() const;  // host:port, [host]:port or unix:path
  bool operator==(const Address&) const = default;
};

// A CIDR block; an address without a length is a block of one.
struct Cidr {
  std::uint8_t bytes[16] = {};  // v4 in the first four
  bool v6 = false;
  unsigned prefix_length = 0;
  // `address` as 4 or 16 bytes in network order. A v4-mapped v6 address counts as v4.
  bool contains(const std::uint8_t* address, bool address_is_v6) const;
  bool operator==(const Cidr&) const = default;
};

// Text (no brackets, no port) to bytes; false when it is not an IP address.
bool parse_ip(const std::string& text, std::uint8_t (&bytes)[16], bool& v6);

struct Certificate {
  std::string certificate;  // PEM file: the leaf, then its chain
  std::string private_key;  // PEM file
  std::string ocsp = {};    // DER file with the response that is stapled; empty: none
  bool operator==(const Certificate&) const = default;
};

// request: a client without a certificate is served all the same; one with a wrong certificate never is.
enum class ClientAuthMode { off, request, require };

struct ClientAuth {
  ClientAuthMode mode = ClientAuthMode::off;
  std::string ca;  // PEM file: who may have signed the clients' certificates
  bool operator==(const ClientAuth&) const = default;
};

enum class TlsVersion { v1_2, v1_3 };

struct ListenerTls {
  std::vector<Certificate> certificates;  // chosen by SNI; the first is the default
  bool self_signed = false;
  TlsVersion min_version = TlsVersion::v1_2;
  ClientAuth client_auth;
  std::vector<std::string> ticket_keys;  // files; the first seals, all open. Empty: keys of our own, rotated
  bool operator==(const ListenerTls&) const = default;
};

// accept: a header is read if there is one. require: nothing is served without. Of trusted_proxies only.
enum class ProxyProtocol { off, accept, require };

struct Listener {
  std::string name;
  Address address;
  unsigned mode = 0660;                               // who may connect to a unix socket
  std::vector<std::string> protocols = {"http/1.1"};  // ALPN order; with tls see choose_protocols()
  std::optional<ListenerTls> tls;
  std::vector<Cidr> trusted_proxies;
  ProxyProtocol proxy_protocol = ProxyProtocol::off;
  bool trusts_unix = false;        // `unix` among trusted_proxies: the peers of a unix socket
  bool redirect_to_https = false;  // of a plain listener: nothing else is served there
  std::string acme_challenge_directory;  // empty: none
  bool operator==(const Listener&) const = default;
};

inline bool speaks(const Listener& listener, std::string_view protocol) {
  return std::find(listener.protocols.begin(), listener.protocols.end(), protocol) != listener.protocols.end();
}

}  // namespace sluice::config
