// How Sec-WebSocket-Extensions is written (RFC 6455 9.1), and the words of permessage-deflate (RFC 7692 7.1). No I/O.
#pragma once

#include <optional>
#include <string_view>

#include "gateway/http/headers.h"

namespace sluice::websocket {

inline constexpr std::string_view kExtensionsField = "Sec-WebSocket-Extensions";
inline constexpr std::string_view kDeflate = "permessage-deflate";
inline constexpr std::string_view kServerNoContextTakeover = "server_no_context_takeover";
inline constexpr std::string_view kClientNoContextTakeover = "client_no_context_takeover";
inline constexpr std::string_view kServerMaxWindowBits = "server_max_window_bits";
inline constexpr std::string_view kClientMaxWindowBits = "client_max_window_bits";

// Takes the part up to `separator` off `rest`, without the blanks around it.
std::string_view take_until(std::string_view& rest, char separator) noexcept;

// The value of a parameter that says how large a window is: 8 to 15 without leading zeros, perhaps quoted (RFC 7692 7.1.2).
std::optional<unsigned> window_bits(std::string_view value) noexcept;

// Calls `visit(name, parameters)` for each extension, in their order. Splitting at every comma is right although values may be
// quoted: what is inside the quotes must be a token (RFC 6455 9.1).
template <typename Visitor>
void for_each_extension(const http::Headers& headers, Visitor visit) {
  for (const http::Field& field : headers) {
    if (!http::equals_ignore_case(field.name, kExtensionsField)) continue;
    http::for_each_list_member(field.value, [&](std::string_view member) {
      const std::string_view name = take_until(member, ';');
      visit(name, member);
    });
  }
}

}  // namespace sluice::websocket
