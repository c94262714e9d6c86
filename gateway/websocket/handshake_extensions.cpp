#include "gateway/websocket/handshake_extensions.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "gateway/websocket/frame.h"
#include "gateway/websocket/handshake_extension_list.h"

namespace sluice::websocket {
namespace {

// No answer chooses more. Each chosen one is looked for in the whole offer, and a backend that echoes a
// hostile offer of thousands must not keep the worker busy.
constexpr std::size_t kMaxChosen = 16;

// The parameters that an answer may carry, and whether they have a value (RFC 7692 7.1).
struct DeflateParameter {
  std::string_view name;
  bool window_bits;
};
constexpr std::array<DeflateParameter, 4> kDeflateParameters{{
    {kServerNoContextTakeover, false},
    {kClientNoContextTakeover, false},
    {kServerMaxWindowBits, true},
    {kClientMaxWindowBits, true},
}};

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
      std::string_view parameter = take_until(parameters, ';');
      offered = offered || take_until(parameter, '=') == kClientMaxWindowBits;
    }
  });
  return offered;
}

bool deflate_answer_is_valid(const http::Headers& request, std::string_view parameters) noexcept {
  std::array<bool, kDeflateParameters.size()> seen{};
  while (!parameters.empty()) {
    std::string_view value = take_until(parameters, ';');
    const bool has_value = value.find('=') != std::string_view::npos;
    const std::string_view name = take_until(value, '=');
    const auto known =
        std::find_if(kDeflateParameters.begin(), kDeflateParameters.end(),
                     [&](const DeflateParameter& parameter) { return parameter.name == name; });
    if (known == kDeflateParameters.end()) return false;
    bool& already = seen[static_cast<std::size_t>(known - kDeflateParameters.begin())];
    if (already) return false;
    already = true;
    if (has_value != known->window_bits) return false;
    if (has_value && !window_bits(value)) return false;
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
  ReservedBits bits;
  for_each_extension(response, [&](std::string_view name, std::string_view) {
    if (name == kDeflate) {
      bits.allowed |= kDeflatedBit;
    } else {
      bits.any = true;
    }
  });
  return bits;
}

}  // namespace sluice::websocket
