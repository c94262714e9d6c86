// How long it may take until a connection that is being opened is there and can be used. Begins when it is made.
#pragma once

#include <algorithm>
#include <optional>

#include "config/values.h"
#include "tls/deadline.h"

namespace sluice::upstream {

class ConnectTime {
 public:
  ConnectTime() = default;  // as long as it takes
  explicit ConnectTime(config::OptionalDuration most) {
    if (most) end_ = Clock::now() + *most;
  }
  // At least a moment, so that whoever is given it runs out of time, too.
  config::OptionalDuration left() const {
    if (!end_) return std::nullopt;
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(*end_ - Clock::now()), std::chrono::milliseconds(1));
  }

 private:
  std::optional<Clock::time_point> end_;
};

}  // namespace sluice::upstream
