// Bounds the lines of the process log that anybody outside can cause, such as one for each failed request:
// the first few of a kind in a period are written, the others counted and summed up in one line at its end.
// Metrics count all of them. One per worker, used by its thread alone; without such lines it costs nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tls/deadline.h"

namespace sluice::proxy {

class LogLimit {
 public:
  static constexpr unsigned kLines = 10;
  static constexpr std::chrono::seconds kPeriod{10};

  explicit LogLimit(tls::TimerWheel& wheel)
      : period_(
            wheel, [](void* self) { static_cast<LogLimit*>(self)->end_period(); }, this) {}
  LogLimit(const LogLimit&) = delete;
  LogLimit& operator=(const LogLimit&) = delete;
  ~LogLimit() { end_period(); }

  // Whether the caller may write a line now. `kind`: one of a fixed set of names, never what a client sent.
  // The sum is a warning.
  bool admit(std::string_view kind);

 private:
  struct Kind {
    std::string name;
    unsigned lines = 0;
    std::uint64_t left_out = 0;
  };
  void end_period();

  std::vector<Kind> kinds_;  // of this period
  tls::Deadline period_;
};

}  // namespace sluice::proxy
