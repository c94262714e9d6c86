// The types that everything which waits or counts time is written with. Also the precompiled header of every target from tls upward.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "tls/awaitable.h"

namespace sluice {

using ErrorCode = std::error_code;
using Clock = std::chrono::steady_clock;

}  // namespace sluice
