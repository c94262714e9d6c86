#include "gateway/websocket/deflate_offer.h"

#include <algorithm>

#include "gateway/websocket/handshake_extension_list.h"

namespace sluice::websocket {
namespace {

// Reads one offer's parameters, one after the other, into what would be agreed on.
class Offer {
 public:
  // False: the offer is declined.
  bool take(std::string_view name, std::optional<std::string_view> value) noexcept {
    if (name == kServerNoContextTakeover) return take_flag(agreement.server_no_context_takeover, value);
    // A hint (7.1.1.2) that is taken: between two messages nothing of the client's is kept then.
    if (name == kClientNoContextTakeover) return take_flag(agreement.client_no_context_takeover, value);
    if (name == kServerMaxWindowBits) return value && take_bits(agreement.server_window_bits, agreement.says_server_window_bits, *value);
    if (name != kClientMaxWindowBits) return false;
    // Without a value the client can keep to any limit (7.1.2.2).
    return take_bits(agreement.client_window_bits, agreement.says_client_window_bits, value.value_or("15"));
  }

  DeflateAgreement agreement;

 private:
  static bool take_flag(bool& flag, std::optional<std::string_view> value) noexcept {
    if (flag || value) return false;
    return flag = true;
  }
  static bool take_bits(std::uint8_t& bits, bool& said, std::string_view value) noexcept {
    const std::optional<unsigned> most = window_bits(value);
    if (said || !most) return false;
    bits = static_cast<std::uint8_t>(std::min<unsigned>(*most, DeflateAgreement::kOwnWindowBits));
    return said = true;
  }
};

std::optional<DeflateAgreement> agree(std::string_view parameters) noexcept {
  Offer offer;
  while (!parameters.empty()) {
    std::string_view value = take_until(parameters, ';');
    const bool has_value = value.find('=') != std::string_view::npos;
    const std::string_view name = take_until(value, '=');
    if (!offer.take(name, has_value ? std::optional(value) : std::nullopt)) return std::nullopt;
  }
  return offer.agreement;
}

}  // namespace

std::string DeflateAgreement::answer() const {
  std::string text(kDeflate);
  const auto add = [&text](std::string_view parameter) { text.append("; ").append(parameter); };
  const auto add_bits = [&](std::string_view parameter, unsigned bits) {
    add(parameter);
    text.append("=").append(std::to_string(bits));
  };
  if (server_no_context_takeover) add(kServerNoContextTakeover);
  if (client_no_context_takeover) add(kClientNoContextTakeover);
  if (says_server_window_bits) add_bits(kServerMaxWindowBits, server_window_bits);
  if (says_client_window_bits) add_bits(kClientMaxWindowBits, client_window_bits);
  return text;
}

std::optional<DeflateAgreement> choose_deflate(const http::Headers& request) {
  std::optional<DeflateAgreement> chosen;
  for_each_extension(request, [&](std::string_view name, std::string_view parameters) {
    if (!chosen && name == kDeflate) chosen = agree(parameters);
  });
  return chosen;
}

}  // namespace sluice::websocket
