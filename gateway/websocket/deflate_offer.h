// permessage-deflate (RFC 7692) as the gateway agrees on it with a client: it is the server of that handshake. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gateway/http/headers.h"

namespace sluice::websocket {

struct DeflateAgreement {
  // The largest windows that the gateway asks for and uses: with 4 KiB a tunnel costs some 50 KiB, with 32 KiB 300, and text of
  // the size that messages have deflates nearly as well.
  static constexpr std::uint8_t kOwnWindowBits = 12;
  static constexpr std::uint8_t kMostWindowBits = 15;

  std::uint8_t server_window_bits = kOwnWindowBits;   // of what goes to the client
  std::uint8_t client_window_bits = kMostWindowBits;  // of what comes from it
  bool server_no_context_takeover = false;
  bool client_no_context_takeover = false;
  bool says_server_window_bits = false;  // which parameters the answer has
  bool says_client_window_bits = false;

  // The value of Sec-WebSocket-Extensions in the answer.
  std::string answer() const;
};

// What is agreed on with a client that offers this: its first offer whose parameters are known, valid and not repeated (RFC 7692
// 7.1); an offer with others is declined, as is every other extension. Nothing: none fits.
std::optional<DeflateAgreement> choose_deflate(const http::Headers& request);

}  // namespace sluice::websocket
