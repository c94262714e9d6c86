#include "upstream/proxy_header.h"

#include <arpa/inet.h>

#include <cstring>
#include <string_view>

namespace sluice::upstream {
namespace {

constexpr std::string_view kV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr char kV2Local = 0x20, kV2Proxy = 0x21;
constexpr char kUnspecified = 0x00, kTcp4 = 0x11, kTcp6 = 0x21;

// Both addresses of a header are of one family.
ProxyAddress as_v6(const ProxyAddress& address) {
  if (address.v6) return address;
  ProxyAddress mapped;
  mapped.v6 = true;
  mapped.port = address.port;
  mapped.bytes[10] = mapped.bytes[11] = 0xFF;
  std::memcpy(mapped.bytes + 12, address.bytes, 4);
  return mapped;
}

std::string text_of(const ProxyAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes, text, sizeof text);
  return text;
}

void append_number(std::string& out, std::size_t number) {
  out += static_cast<char>(number >> 8 & 0xFF);
  out += static_cast<char>(number & 0xFF);
}

std::string write_v1(const ProxyAddress& client, const ProxyAddress& local) {
  return std::string("PROXY ") + (client.v6 ? "TCP6 " : "TCP4 ") + text_of(client) + ' ' + text_of(local) + ' ' +
         std::to_string(client.port) + ' ' + std::to_string(local.port) + "\r\n";
}

std::string write_v2(const ProxyAddress& client, const ProxyAddress& local) {
  const std::size_t ip_size = client.v6 ? 16 : 4;
  std::string header(kV2Signature);
  header += kV2Proxy;
  header += client.v6 ? kTcp6 : kTcp4;
  append_number(header, 2 * ip_size + 4);
  header.append(reinterpret_cast<const char*>(client.bytes), ip_size);
  header.append(reinterpret_cast<const char*>(local.bytes), ip_size);
  append_number(header, client.port);
  append_number(header, local.port);
  return header;
}

std::string write_without_client(bool v1) {
  if (v1) return "PROXY UNKNOWN\r\n";
  std::string header(kV2Signature);
  header += kV2Local;
  header += kUnspecified;
  append_number(header, 0);
  return header;
}

}  // namespace

std::string proxy_header(config::SendProxyProtocol version, const std::optional<ProxyAddress>& client,
                         const std::optional<ProxyAddress>& local) {
  if (version == config::SendProxyProtocol::off) return {};
  const bool v1 = version == config::SendProxyProtocol::v1;
  if (!client) return write_without_client(v1);
  ProxyAddress from = *client;
  ProxyAddress to = local.value_or(ProxyAddress{{}, from.v6, 0});
  if (from.v6 != to.v6) {
    from = as_v6(from);
    to = as_v6(to);
  }
  return v1 ? write_v1(from, to) : write_v2(from, to);
}

}  // namespace sluice::upstream
