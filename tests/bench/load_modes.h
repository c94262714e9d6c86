#pragma once

#include "load_client.h"
#include "measure.h"

namespace sluice::bench {

struct LoadOptions {
  int connections = 64;
  int in_flight = 1;
  double seconds = 2;
  double warmup = 0.3;
  double rate = 0;     // units per second over all connections; 0: as fast as the answers come
  uint64_t carry = 0;  // idle only: payload bytes that each tunnel echoes when asked to
  std::string watch;   // process ids whose CPU time is taken over the measured window
};

// How long opening the connections may take before the run is called a failure.
constexpr int64_t kOpenLimitNs = 20'000'000'000;
// Steps in which a window that saw no unit is prolonged.
constexpr int64_t kPatienceNs = 50'000'000;
// One failed connection is replaced and counted; this many per connection end the run.
constexpr uint64_t kMaxErrorsPerConnection = 4;

// Units are answers.
Result run_throughput(const LoadPlan& plan, const LoadOptions& options);
// Units are upgraded connections, each opened, upgraded and closed.
Result run_handshakes(const LoadPlan& plan, const LoadOptions& options);
// Opens the tunnels and prints "open"; on a line from standard input carries the bytes and prints "carried";
// ends with standard input. Units are tunnels.
Result run_idle(const LoadPlan& plan, const LoadOptions& options);

}  // namespace sluice::bench
