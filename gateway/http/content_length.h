// The value of Content-Length (RFC 9110 8.6).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::http {

// Digits alone, and no more of them than a signed 64-bit number holds: programs that count in those would see another length.
std::optional<std::uint64_t> parse_content_length(std::string_view text) noexcept;

}  // namespace sluice::http
