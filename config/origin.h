// Origins of web pages (RFC 6454) as the file lists them. Pure functions over text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/report.h"
#include "config/route_config.h"

namespace sluice::config {

// `https://chat.example.com`, `https://chat.example.com:8443`, `https://*.example.com`, or the word `same`.
Fault parse_allowed_origin(const std::string& text, AllowedOrigin& origin);
inline constexpr char kOriginsExpected[] = "origins such as https://chat.example.com or https://*.example.com, or same";

// The port that an origin has when it names none; 0: there is none. `scheme`: lower case.
std::uint16_t default_port(std::string_view scheme) noexcept;
// As a browser writes it.
std::string origin_text(const AllowedOrigin& origin);

}  // namespace sluice::config
