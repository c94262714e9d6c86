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

// So many times in each such time.
struct Rate {
  std::uint64_t times = 1;
  Duration in = std::chrono::seconds(1);  // a second, a minute or an hour
  bool operator==(const Rate&) const = default;
};
using OptionalRate = std::optional<Rate>;  // absent: `off`

}  // namespace sluice::config
