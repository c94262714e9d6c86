#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::bench {

// Latencies in nanoseconds, 64 buckets per power of two (under 2 % error), no allocation while recording.
class Histogram {
 public:
  Histogram();
  void record(int64_t ns);
  double percentile_us(double percent) const;
  uint64_t count() const { return count_; }

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
};

// The CPU time of other processes, all their threads together, with the scheduler's nanosecond resolution.
// (utime and stime in /proc/PID/stat are the same sum, rounded to 10 ms.)
class CpuClock {
 public:
  // Comma-separated process ids; empty for none.
  explicit CpuClock(const std::string& pids);
  int64_t used_ns() const;

 private:
  std::vector<std::string> task_folders_;
};

struct Result {
  uint64_t units = 0;
  uint64_t errors = 0;
  double seconds = 0;
  int64_t cpu_ns = 0;
  Histogram latency;
};

void print_json(const Result& result);

}  // namespace sluice::bench
