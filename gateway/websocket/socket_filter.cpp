#include "gateway/websocket/socket_filter.h"

#include <algorithm>

namespace sluice::websocket {
namespace {

// A client without an address, at a unix socket, is in no block.
bool is_in(const config::Cidr& block, std::string_view client) {
  std::uint8_t bytes[16];
  bool v6 = false;
  return config::parse_ip(std::string(client), bytes, v6) && block.contains(bytes, v6);
}

}  // namespace

bool SocketFilter::matches(const SocketFacts& facts) const {
  using Text = SocketIdentity::Text;
  const SocketIdentity& identity = *facts.identity;
  if (id && identity.id() != *id) return false;
  if (route && identity[Text::route] != *route) return false;
  if (endpoint && identity[Text::endpoint] != *endpoint) return false;
  if (older_than && facts.age <= *older_than) return false;
  if (idle_for && facts.idle < *idle_for) return false;
  const double fastest = std::max(facts.to_client.per_second, facts.to_upstream.per_second);
  if (faster_than && fastest <= static_cast<double>(*faster_than)) return false;
  return !client || is_in(*client, identity[Text::client_ip]);
}

}  // namespace sluice::websocket
