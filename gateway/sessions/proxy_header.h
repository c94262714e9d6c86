// The header of the PROXY protocol (versions 1 and 2), with which a load balancer tells for whom it opened a connection. A pure function
// of the bytes at the connection's beginning; no I/O.
// Refused is everything that is not exactly a header: behind something half understood, requests would begin at a place of the
// sender's choice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::sessions {

struct ProxyHeader {
  // absent: what is there cannot become a header. malformed: it began as one, and is none.
  enum class State : std::uint8_t { incomplete, complete, absent, malformed };
  struct Client {
    std::uint8_t bytes[16] = {};  // v4 in the first four; a v4-mapped v6 address is v4
    bool v6 = false;
    std::uint16_t port = 0;
  };

  // With version 2, extensions (TLV) are part of it; they are skipped.
  static constexpr std::size_t kMaxSize = 4096;

  State state = State::incomplete;
  std::size_t size = 0;          // of a complete one, in bytes
  std::optional<Client> client;  // absent: the sender speaks for itself (`local`), or cannot tell (UNKNOWN, a unix socket)
  bool local = false;            // a connection of the sender's own, such as a health check
};

ProxyHeader parse_proxy_header(std::string_view bytes);

}  // namespace sluice::sessions
