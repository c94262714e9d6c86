#include "gateway/proxy/connection_opening.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "upstream/proxy_header.h"

namespace sluice::proxy {
namespace {

// Where the client's connection arrived; nothing for a unix socket.
std::optional<upstream::ProxyAddress> local_address(int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  upstream::ProxyAddress address;
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    std::memcpy(address.bytes, &v4.sin_addr, 4);
    address.port = ntohs(v4.sin_port);
  } else if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    std::memcpy(address.bytes, &v6.sin6_addr, 16);
    address.port = ntohs(v6.sin6_port);
    address.v6 = true;
  } else {
    return std::nullopt;
  }
  return address;
}

}  // namespace

std::string connection_opening(const ClientExchange& exchange, config::SendProxyProtocol version) {
  if (version == config::SendProxyProtocol::off) return {};
  const ConnectionInfo& connection = exchange.connection;
  const std::string client_ip(exchange.record.client_ip.empty() ? connection.peer_address : exchange.record.client_ip);
  upstream::ProxyAddress client;
  if (!config::parse_ip(client_ip, client.bytes, client.v6)) return upstream::proxy_header(version, std::nullopt, std::nullopt);
  if (client_ip == connection.peer_address) client.port = connection.peer_port;
  return upstream::proxy_header(version, client, local_address(connection.descriptor));
}

}  // namespace sluice::proxy
