#include "gateway/websocket/socket_id.h"

#include <openssl/rand.h>

#include <stdexcept>

namespace sluice::websocket {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

SocketId SocketId::make() {
  SocketId id;
  if (RAND_bytes(id.bytes.data(), static_cast<int>(id.bytes.size())) != 1) throw std::runtime_error("no random bytes can be had");
  return id;
}

std::optional<SocketId> SocketId::parse(std::string_view text) noexcept {
  SocketId id;
  if (text.size() != 2 * id.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = kDigits.find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    id.bytes[i / 2] = static_cast<std::uint8_t>(id.bytes[i / 2] << 4 | digit);
  }
  return id;
}

std::string SocketId::text() const {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace sluice::websocket
