#include "gateway/websocket/handshake_extensions.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace sluice::websocket {
namespace {

constexpr std::string_view kDeflate = "permessage-deflate";
constexpr std::string_view kClientMaxWindowBits = "client_max_window_bits";
// No answer chooses more. Each chosen one is looked for in the whole offer, and a backend that echoes a
// hostile offer of thousands must not keep the worker busy.
constexpr std::size_t kMaxChosen = 16;

// The parameters that an answer may carry, and whether they have a value (RFC 7692 7.1).
struct DeflateParameter {
  std::string_view name;
  bool window_bits;
};
constexpr std::array<DeflateParameter, 4> kDeflateParameters{{
    {"server_no_context_takeover", false},
    {"client_no_context_takeover", false},
    {"server_max_window_bits", true},
    {kClientMaxWindowBits, true},
}};

std::string_view trim(std::string_view text) noexcept {
  constexpr std::string_view kBlank = " \t";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Cuts the part up to `separator` off `rest`.
std::string_view cut(std::string_view& rest, char separator) noexcept {
  const std::size_t at = rest.find(separator);
  const std::string_view part = trim(rest.substr(0, at));
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return part;
}

// Calls `visit(name, parameters)` for each extension. Splitting at every comma is right although values may
// be quoted: what is inside the quotes must be a token (RFC 6455 9.1).
template <typename Visitor>
void for_each_extension(const http::Headers& headers, Visitor visit) {
  for (const http::Field& field : headers) {
    if (!http::equals_ignore_case(field.name, "Sec-WebSocket-Extensions")) continue;
    http::for_each_list_member(field.value, [&](std::string_view member) {
      const std::string_view name = cut(member, ';');
      visit(name, member);
    });
  }
}

bool offers(const http::Headers& request, std::string_view extension) noexcept {
  bool offered = false;
  for_each_extension(
      request, [&](std::string_view name, std::string_view) { offered = offered || name == extension; });
  return offered;
}

bool offers_client_max_window_bits(const http::Headers& request) noexcept {
  bool offered = false;
  for_each_extension(request, [&](std::string_view name, std::string_view parameters) {
    if (name != kDeflate) return;
    while (!parameters.empty()) {
      std::string_view parameter = cut(parameters, ';');
      offered = offered || cut(parameter, '=') == kClientMaxWindowBits;
    }
  });
  return offered;
}

// 8 to 15 without leading zeros, perhaps quoted (RFC 7692 7.1.2).
bool is_window_bits(std::string_view value) noexcept {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  if (value.size() == 1) return value[0] == '8' || value[0] == '9';
  return value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5';
}

bool deflate_answer_is_valid(const http::Headers& request, std::string_view parameters) noexcept {
  std::array<bool, kDeflateParameters.size()> seen{};
  while (!parameters.empty()) {
    std::string_view value = cut(parameters, ';');
    const bool has_value = value.find('=') != std::string_view::npos;
    const std::string_view name = cut(value, '=');
    const auto known =
        std::find_if(kDeflateParameters.begin(), kDeflateParameters.end(),
                     [&](const DeflateParameter& parameter) { return parameter.name == name; });
    if (known == kDeflateParameters.end()) return false;
    bool& already = seen[static_cast<std::size_t>(known - kDeflateParameters.begin())];
    if (already) return false;
    already = true;
    if (has_value != known->window_bits) return false;
    if (has_value && !is_window_bits(trim(value))) return false;
    if (name == kClientMaxWindowBits && !offers_client_max_window_bits(request)) return false;
  }
  return true;
}

}  // namespace

bool extensions_were_offered(const http::Headers& request, const http::Headers& response) noexcept {
  bool valid = true;
  std::size_t chosen = 0;
  std::size_t deflates = 0;
  for_each_extension(response, [&](std::string_view name, std::string_view parameters) {
    valid = valid && ++chosen <= kMaxChosen && offers(request, name);
    if (name != kDeflate) return;
    valid = valid && ++deflates == 1 && deflate_answer_is_valid(request, parameters);
  });
  return valid;
}

ReservedBits reserved_bits_of(const http::Headers& response) noexcept {
  constexpr std::uint8_t kRsv1 = 0x40;
  ReservedBits bits;
  for_each_extension(response, [&](std::string_view name, std::string_view) {
    if (name == kDeflate) {
      bits.allowed |= kRsv1;
    } else {
      bits.any = true;
    }
  });
  return bits;
}

}  // namespace sluice::websocket
