#include "measure.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sluice::bench {

namespace {

constexpr int kSubBits = 6;
constexpr uint64_t kSubBuckets = 1u << kSubBits;
constexpr size_t kPowers = 42;
constexpr int64_t kSliceNs = 50'000'000;  // a thousand answers and more, at the rates that the bench asks for

size_t bucket_of(uint64_t value) {
  if (value < kSubBuckets) return value;
  int shift = std::bit_width(value) - kSubBits - 1;
  return static_cast<size_t>(shift + 1) * kSubBuckets + ((value >> shift) - kSubBuckets);
}

double value_of(size_t bucket) {
  if (bucket < kSubBuckets) return static_cast<double>(bucket);
  size_t shift = bucket / kSubBuckets - 1;
  return static_cast<double>((bucket % kSubBuckets + kSubBuckets) << shift);
}

}  // namespace

Histogram::Histogram() : buckets_(kPowers * kSubBuckets) {}

void Histogram::record(int64_t ns) {
  size_t bucket = bucket_of(static_cast<uint64_t>(std::max<int64_t>(ns, 0)));
  ++buckets_[std::min(bucket, buckets_.size() - 1)];
  ++count_;
}

double Histogram::percentile_us(double percent) const {
  uint64_t rank = static_cast<uint64_t>(static_cast<double>(count_) * percent / 100);
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen > rank) return value_of(i) / 1000;
  }
  return 0;
}

void Histogram::clear() {
  std::fill(buckets_.begin(), buckets_.end(), 0);
  count_ = 0;
}

void Latencies::record(int64_t ns, int64_t now) {
  if (now >= slice_ends_) {
    if (slice_.count() > 0) p99s_.push_back(slice_.percentile_us(99));
    slice_.clear();
    slice_ends_ = now + kSliceNs;
  }
  slice_.record(ns);
  all_.record(ns);
}

double Latencies::typical_p99_us() const {
  if (p99s_.empty()) return percentile_us(99);
  std::vector<double> sorted = p99s_;
  const auto middle = sorted.begin() + static_cast<ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

CpuClock::CpuClock(const std::string& pids) {
  std::istringstream list(pids);
  for (std::string pid; std::getline(list, pid, ',');) task_folders_.push_back("/proc/" + pid + "/task");
}

int64_t CpuClock::used_ns() const {
  int64_t total = 0;
  for (const auto& folder : task_folders_) {
    std::error_code error;
    for (const auto& task : std::filesystem::directory_iterator(folder, error)) {
      int64_t ran = 0;
      std::ifstream(task.path() / "schedstat") >> ran;
      total += ran;
    }
    if (error) {
      std::fprintf(stderr, "cannot read %s: %s\n", folder.c_str(), error.message().c_str());
      std::exit(1);
    }
  }
  return total;
}

void print_json(const Result& result) {
  std::printf(
      "{\"units\": %llu, \"seconds\": %.6f, \"errors\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f, "
      "\"typical_p99_us\": %.1f, \"cpu_us\": %.1f}\n",
      static_cast<unsigned long long>(result.units), result.seconds,
      static_cast<unsigned long long>(result.errors), result.latency.percentile_us(50),
      result.latency.percentile_us(99), result.latency.typical_p99_us(), static_cast<double>(result.cpu_ns) / 1000);
  std::fflush(stdout);
}

}  // namespace sluice::bench
