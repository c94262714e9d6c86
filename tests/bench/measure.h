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
  void clear();

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
};

// All latencies, and those of each slice of time: a virtual machine that does not run for some milliseconds spoils the p99 of one
// slice and, once or twice a second, that of the whole.
class Latencies {
 public:
  void record(int64_t ns, int64_t now);
  double percentile_us(double percent) const { return all_.percentile_us(percent); }
  // The median of the slices' p99.
  double typical_p99_us() const;

 private:
  Histogram all_;
  Histogram slice_;
  int64_t slice_ends_ = 0;
  std::vector<double> p99s_;
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
  Latencies latency;
};

void print_json(const Result& result);

}  // namespace sluice::bench
