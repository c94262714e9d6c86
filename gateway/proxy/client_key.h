// Whom connections, tunnels and handshakes are counted for. Pure values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::proxy {

// An IPv4 address, mapped into IPv6 or not, or the /64 of an IPv6 address, since that is what one customer gets.
struct ClientKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;  // never 0 of IPv4, always 0 of IPv6
  // `address`: 4 or 16 bytes in network order.
  static ClientKey of(const std::uint8_t* address, bool v6) noexcept;
  // Of an address as text, without brackets and port; nothing: it is none, as with a peer on a unix socket.
  static std::optional<ClientKey> parse(std::string_view address);
  bool operator==(const ClientKey&) const = default;
};

// Seeded by chance, so that nobody can choose addresses that fall together.
class ClientHash {
 public:
  ClientHash();
  std::uint64_t operator()(const ClientKey& key) const noexcept;

 private:
  std::uint64_t seed_;
};

}  // namespace sluice::proxy
