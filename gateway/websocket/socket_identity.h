// What an open WebSocket is, as it was when it was opened: its id and the texts that logs and lists show. Texts are in one block, for
// there are many tunnels and they live for days. Immutable, so that any thread may look at it, also when the tunnel is gone.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/websocket/socket_id.h"

namespace sluice::websocket {

class SocketIdentity {
 public:
  enum class Text : std::uint8_t {
    client_ip, listener, tls_version, sni, client_subject, method, host, target, version, subprotocol, user_agent, request_id, route,
    upstream, endpoint, upstream_version
  };
  static constexpr std::size_t kTexts = static_cast<std::size_t>(Text::upstream_version) + 1;
  // By Text; empty: there is none. Whoever gives them has cut what a client may choose: together at most 64 KiB.
  using Texts = std::array<std::string_view, kTexts>;

  SocketIdentity(const SocketId& id, std::chrono::system_clock::time_point opened, const Texts& texts);

  const SocketId& id() const noexcept { return id_; }
  std::chrono::system_clock::time_point opened() const noexcept { return opened_; }
  std::string_view operator[](Text which) const noexcept;

 private:
  const SocketId id_;
  const std::chrono::system_clock::time_point opened_;
  std::array<std::uint16_t, kTexts> ends_;
  std::string block_;
};

}  // namespace sluice::websocket
