// The request target (RFC 9112 3.2), taken apart. No I/O; views into the text.
#pragma once

#include <optional>
#include <string_view>

#include "gateway/http/message.h"

namespace sluice::http {

struct Target {
  TargetForm form = TargetForm::origin;
  std::string_view authority;  // of the absolute form
  std::string_view path;
  std::string_view query;      // with its '?', or empty
};

// Nothing when the form does not fit the method, or is none. A CONNECT has its authority as `path`, too, and form `absolute`.
std::optional<Target> parse_target(std::string_view method, std::string_view text) noexcept;

}  // namespace sluice::http
