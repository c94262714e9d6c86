// By what an open WebSocket is called, in the logs and by whoever looks at it or closes it: 128 bits by chance, so that nobody guesses
// one. A plain value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::websocket {

struct SocketId {
  std::array<std::uint8_t, 16> bytes = {};

  // Throws std::runtime_error when the system gives no random bytes: a number that can be guessed is no substitute.
  static SocketId make();
  // 32 hex digits, in lower case.
  static std::optional<SocketId> parse(std::string_view text) noexcept;
  std::string text() const;
  bool operator==(const SocketId&) const = default;
};

}  // namespace sluice::websocket
