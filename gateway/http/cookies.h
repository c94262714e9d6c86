// Cookies of a request (RFC 6265 4.2).
#pragma once

#include <optional>
#include <string_view>

#include "gateway/http/headers.h"

namespace sluice::http {

// The value of the first cookie of that name, as it stands there, quotes included. Names are compared with their case.
std::optional<std::string_view> find_cookie(const Headers& headers, std::string_view name) noexcept;

// Takes every cookie of that name off; a field that has no others goes as a whole. Without such a cookie nothing is touched.
void remove_cookie(Headers& headers, std::string_view name);

}  // namespace sluice::http
