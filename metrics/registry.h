// Metrics without contention: each worker counts into cells of its own, and a scrape sums the cells of equal labels.
// Cells are single-writer (the worker that made them) and may be read by any thread at any time.
// Registering takes a mutex and happens at start, on a new configuration or on a first use; counting never does.
// Label values come from the configuration or from fixed sets, never from a client.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::metrics {

class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    // Single writer: a plain load and store instead of a locked add.
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void add(std::int64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(std::int64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Counts one while it lives.
class GaugeHold {
 public:
  GaugeHold() = default;
  explicit GaugeHold(Gauge& gauge) : gauge_(&gauge) { gauge_->add(1); }
  GaugeHold(GaugeHold&& other) noexcept : gauge_(std::exchange(other.gauge_, nullptr)) {}
  GaugeHold& operator=(GaugeHold&& other) noexcept {
    if (this != &other) { release(); gauge_ = std::exchange(other.gauge_, nullptr); }
    return *this;
  }
  ~GaugeHold() { release(); }
  void release() noexcept { if (gauge_) std::exchange(gauge_, nullptr)->add(-1); }

 private:
  Gauge* gauge_ = nullptr;
};

inline constexpr std::size_t kCacheLine = 64;

// Hands out whole cache lines, so that what one worker writes never lies on a line that another one touches.
template <class T>
struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) noexcept {}

  T* allocate(std::size_t n) {
    const std::size_t whole = (n * sizeof(T) + kCacheLine - 1) / kCacheLine * kCacheLine;
    return static_cast<T*>(::operator new(whole, std::align_val_t{kCacheLine}));
  }
  void deallocate(T* memory, std::size_t) noexcept { ::operator delete(memory, std::align_val_t{kCacheLine}); }
  bool operator==(const CacheLineAllocator&) const noexcept { return true; }
};

class Histogram {
 public:
  explicit Histogram(std::span<const double> upper_bounds);  // ascending; +Inf is implied
  // The bucket of the last value is often right.
  void observe(double value) noexcept {
    if (!(value > below_ && value <= upper_)) choose_bucket(value);
    bucket_->add();
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }
  // For the scrape: cumulative counts are made there.
  std::span<const double> upper_bounds() const noexcept { return bounds_; }
  std::uint64_t bucket(std::size_t i) const noexcept;  // i == bounds: +Inf
  double sum() const noexcept;

 private:
  // A bucket counts what is less than or equal to its bound. The bounds are few; and without a call here, who observes keeps nothing
  // of its own safe from one.
  void choose_bucket(double value) noexcept {
    std::size_t bucket = 0;
    while (bucket < bounds_.size() && value > bounds_[bucket]) ++bucket;
    bucket_ = &buckets_[bucket];
    below_ = bucket == 0 ? -std::numeric_limits<double>::infinity() : bounds_[bucket - 1];
    upper_ = bucket == bounds_.size() ? std::numeric_limits<double>::infinity() : bounds_[bucket];
  }

  std::vector<double, CacheLineAllocator<double>> bounds_;
  std::vector<Counter, CacheLineAllocator<Counter>> buckets_;
  std::atomic<double> sum_{0};
  // Of the writer alone: the bucket of the last value, which begins above `below_` and ends with `upper_`.
  Counter* bucket_ = nullptr;
  double below_ = 0;
  double upper_ = 0;
};

using Labels = std::vector<std::pair<std::string, std::string>>;

// Bounds, in seconds and bytes.
extern const std::vector<double> kLatencyBounds;   // 0.5 ms to 60 s, for requests, connects, responses
extern const std::vector<double> kSizeBounds;      // 64 B to 16 MiB
extern const std::vector<double> kDurationBounds;  // 1 s to 7 days, for tunnels

class Registry {
 public:
  explicit Registry(unsigned workers);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The cell of `worker` in family `name` with `labels`; made on first use, the same one afterwards. Addresses are stable for
  // the registry's lifetime. `worker` == workers() is the control thread's. Each worker's cells are on cache lines of their own.
  Counter& counter(unsigned worker, std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(unsigned worker, std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(unsigned worker, std::string_view name, std::string_view help,
                       std::span<const double> upper_bounds, const Labels& labels = {});
  // A value that is asked for at scrape time (process figures, worker ages). Called on the scraping thread, without the lock;
  // given again for the same labels it replaces the earlier one.
  void gauge_at_scrape(std::string_view name, std::string_view help, const Labels& labels, std::function<double()> value);
  void counter_at_scrape(std::string_view name, std::string_view help, const Labels& labels, std::function<double()> value);
  // All of these throw std::logic_error when the name is already that of another kind of metric, or has other bounds.

  unsigned workers() const noexcept { return workers_; }
  // Prometheus text format 0.0.4, by prometheus-cpp's serializer.
  std::string scrape() const;

 private:
  struct Impl;
  unsigned workers_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::metrics
