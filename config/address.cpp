#include "config/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "config/value_text.h"

namespace sluice::config {
namespace {

constexpr std::uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

void clear_after(std::uint8_t (&bytes)[16], unsigned bits) {
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned kept = bits > i * 8 ? std::min(8u, bits - i * 8) : 0;
    bytes[i] &= static_cast<std::uint8_t>(0xFF00u >> kept);
  }
}

}  // namespace

bool is_mapped_v4(const std::uint8_t* address) {
  return std::memcmp(address, kMappedPrefix, sizeof kMappedPrefix) == 0;
}

std::string Address::text() const {
  return is_unix() ? kUnixPrefix + path : (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Cidr::contains(const std::uint8_t* address, bool address_is_v6) const {
  if (address_is_v6 && is_mapped_v4(address)) {
    address += sizeof kMappedPrefix;
    address_is_v6 = false;
  }
  if (address_is_v6 != v6) return false;
  const unsigned whole = prefix_length / 8;
  if (std::memcmp(address, bytes, whole) != 0) return false;
  const unsigned rest = prefix_length % 8;
  return rest == 0 || (address[whole] >> (8 - rest)) == (bytes[whole] >> (8 - rest));
}

bool parse_ip(const std::string& text, std::uint8_t (&bytes)[16], bool& v6) {
  std::uint8_t parsed[16] = {};
  if (text.find('\0') != std::string::npos) return false;  // inet_pton would see less than there is
  if (inet_pton(AF_INET, text.c_str(), parsed) == 1) {
    v6 = false;
  } else if (inet_pton(AF_INET6, text.c_str(), parsed) == 1) {
    v6 = true;
  } else {
    return false;
  }
  std::copy(std::begin(parsed), std::end(parsed), std::begin(bytes));
  return true;
}

std::string canonical_ip(const std::string& text) {
  std::uint8_t bytes[16];
  bool v6 = false;
  if (!parse_ip(text, bytes, v6)) return text;
  char spelled[INET6_ADDRSTRLEN] = {};
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, spelled, sizeof spelled);
  return spelled;
}

std::string ip_text(const std::uint8_t* address, bool v6) {
  if (v6 && is_mapped_v4(address)) {
    address += sizeof kMappedPrefix;
    v6 = false;
  }
  char spelled[INET6_ADDRSTRLEN] = {};
  inet_ntop(v6 ? AF_INET6 : AF_INET, address, spelled, sizeof spelled);
  return spelled;
}

bool split_host_port(const std::string& text, std::string& host, std::string& port) {
  std::size_t end = 0;
  if (!text.empty() && text[0] == '[') {
    end = text.find(']');
    if (end == std::string::npos) return false;
    host = text.substr(1, end - 1);
    ++end;
  } else {
    end = std::min(text.find(':'), text.size());
    host = text.substr(0, end);
  }
  port.clear();
  if (end == text.size()) return true;
  if (text[end] != ':' || end + 1 == text.size()) return false;
  port = text.substr(end + 1);
  return port.find(':') == std::string::npos;
}

Fault parse_address(const std::string& text, Address& address) {
  static const std::string kExpected = "; expected IP:PORT such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080";
  if (text.rfind(kUnixPrefix, 0) == 0)
    return "is a unix socket, which only listeners and endpoints can be" + kExpected;
  std::string host, port;
  if (!split_host_port(text, host, port)) return in_quotes(text) + " is not an address" + kExpected;
  if (port.empty()) return in_quotes(text) + " has no port" + kExpected;
  if (host == "localhost") host = "127.0.0.1";
  std::uint8_t bytes[16];
  bool v6 = false;
  if (!parse_ip(host, bytes, v6) || v6 != (text[0] == '[')) {
    return in_quotes(host) + " is not an IP address" + kExpected;
  }
  const auto number = parse_whole_number(port);
  if (!number || *number > 65535) {
    return in_quotes(port) + " is not a port; expected a number from 0 to 65535 (0 takes any free one)";
  }
  address = {canonical_ip(host), static_cast<std::uint16_t>(*number), v6};
  return std::nullopt;
}

Fault parse_listener_address(const std::string& text, Address& address) {
  if (text.rfind(kUnixPrefix, 0) != 0) return parse_address(text, address);
  std::string path;
  if (Fault fault = parse_unix_path(text, path)) return fault;
  address = {"", 0, false, std::move(path)};
  return std::nullopt;
}

Fault parse_unix_path(const std::string& text, std::string& path) {
  const std::string rest = text.substr(sizeof kUnixPrefix - 1);
  // Of `unix://host/path` nobody knows what the host is to mean.
  if (rest.empty() || rest.rfind("//", 0) == 0 || rest.back() == '/') {
    return in_quotes(text) + " names no socket; expected a path such as unix:/run/app.sock";
  }
  if (Fault fault = check_unix_path(rest)) return fault;
  path = rest;
  return std::nullopt;
}

Fault check_unix_path(const std::string& path) {
  constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > kLongest) {
    return "the path " + in_quotes(path) + " is too long for a socket; expected at most " +
           std::to_string(kLongest) + " bytes";
  }
  if (path.find('\0') != std::string::npos)
    return Fault("has a NUL; expected a path such as unix:/run/app.sock");
  return std::nullopt;
}

Fault parse_mode(const std::string& text, unsigned& mode) {
  const bool octal = text.find_first_not_of("01234567") == std::string::npos;
  if (!octal || text.size() < 3 || text.size() > 4 || (text.size() == 4 && text[0] != '0')) {
    return in_quotes(text) + " is not a file mode; expected an octal one such as 0660";
  }
  mode = static_cast<unsigned>(std::stoul(text, nullptr, 8));
  return std::nullopt;
}

Fault parse_cidr(const std::string& text, Cidr& cidr) {
  const std::size_t slash = text.find('/');
  Cidr parsed;
  const bool is_ip = parse_ip(text.substr(0, slash), parsed.bytes, parsed.v6);
  const std::uint64_t bits = parsed.v6 ? 128 : 32;
  const std::uint64_t length =
      slash == std::string::npos ? bits : parse_whole_number(text.substr(slash + 1)).value_or(bits + 1);
  if (!is_ip || length > bits) {
    return in_quotes(text) + " is not a CIDR block; expected one such as 10.0.0.0/8, fd00::/8 or 192.0.2.7";
  }
  parsed.prefix_length = static_cast<unsigned>(length);
  if (parsed.v6 && parsed.prefix_length >= 96 && is_mapped_v4(parsed.bytes)) {
    std::rotate(std::begin(parsed.bytes), std::begin(parsed.bytes) + 12, std::end(parsed.bytes));
    parsed.v6 = false;
    parsed.prefix_length -= 96;
  }
  clear_after(parsed.bytes, parsed.prefix_length);
  cidr = parsed;
  return std::nullopt;
}

bool is_loopback(const Address& address) {
  std::uint8_t bytes[16];
  bool v6 = false;
  if (!parse_ip(address.host, bytes, v6)) return false;
  Cidr v4_block, v6_block;
  parse_cidr("127.0.0.0/8", v4_block);
  parse_cidr("::1/128", v6_block);
  return v4_block.contains(bytes, v6) || v6_block.contains(bytes, v6);
}

bool trusts(const Listener& listener, const std::uint8_t* address, bool v6) {
  return std::any_of(listener.trusted_proxies.begin(), listener.trusted_proxies.end(),
                     [address, v6](const Cidr& block) { return block.contains(address, v6); });
}

}  // namespace sluice::config
