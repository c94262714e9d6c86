// The value types that configuration keys share.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace sluice::config {

using Duration = std::chrono::milliseconds;
using OptionalDuration = std::optional<Duration>;    // absent: `off`
using OptionalSize = std::optional<std::uint64_t>;   // bytes; absent: `off`
using OptionalCount = std::optional<std::uint64_t>;  // absent: `off`

}  // namespace sluice::config
