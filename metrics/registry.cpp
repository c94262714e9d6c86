#include "metrics/registry.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cassert>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <stdexcept>
#include <variant>

namespace sluice::metrics {

const std::vector<double> kLatencyBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                            0.25,   0.5,   1,      2.5,   5,    10,    30,   60};
const std::vector<double> kSizeBounds = {64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 16777216};
const std::vector<double> kDurationBounds = {1,    5,     15,    60,    300,    900,
                                             3600, 14400, 43200, 86400, 259200, 604800};

Histogram::Histogram(std::span<const double> upper_bounds)
    : bounds_(upper_bounds.begin(), upper_bounds.end()), buckets_(upper_bounds.size() + 1) {
  assert(std::is_sorted(bounds_.begin(), bounds_.end()) && "bucket search needs ascending bounds");
}

std::uint64_t Histogram::bucket(std::size_t i) const noexcept { return buckets_[i].value(); }

double Histogram::sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

namespace {

// Deques never move their elements, and their blocks are whole cache lines that no other worker's share.
template <class Cell>
using Cells = std::deque<Cell, CacheLineAllocator<Cell>>;

struct Shard {
  Cells<Counter> counters;
  Cells<Gauge> gauges;
  Cells<Histogram> histograms;
};

// The cells that were made for each set of labels, in no particular order of workers.
template <class Cell>
struct CellFamily {
  using CellType = Cell;
  std::string help;
  std::map<Labels, std::vector<std::pair<unsigned, Cell*>>> series;
};

struct ScrapedFamily {
  std::string help;
  prometheus::MetricType type = prometheus::MetricType::Gauge;
  std::map<Labels, std::function<double()>> series;
};

using Family = std::variant<CellFamily<Counter>, CellFamily<Gauge>, CellFamily<Histogram>, ScrapedFamily>;

// A value that is still to be asked for, and where it goes.
struct PendingValue {
  std::size_t family;
  std::size_t metric;
  std::function<double()> value;
};

Labels sorted(Labels labels) {
  std::sort(labels.begin(), labels.end());
  return labels;
}

prometheus::ClientMetric with_labels(const Labels& labels) {
  prometheus::ClientMetric metric;
  metric.label.reserve(labels.size());
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

void set_value(prometheus::ClientMetric& metric, prometheus::MetricType type, double value) {
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

// Counters are summed as integers: as doubles they are exact up to 2^53.
void sum_up(prometheus::ClientMetric& metric, const std::vector<std::pair<unsigned, Counter*>>& cells) {
  std::uint64_t sum = 0;
  for (const auto& [worker, cell] : cells) sum += cell->value();
  metric.counter.value = static_cast<double>(sum);
}

void sum_up(prometheus::ClientMetric& metric, const std::vector<std::pair<unsigned, Gauge*>>& cells) {
  std::int64_t sum = 0;
  for (const auto& [worker, cell] : cells) sum += cell->value();
  metric.gauge.value = static_cast<double>(sum);
}

void sum_up(prometheus::ClientMetric& metric, const std::vector<std::pair<unsigned, Histogram*>>& cells) {
  const std::span<const double> bounds = cells.front().second->upper_bounds();
  auto& histogram = metric.histogram;
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    for (const auto& [worker, cell] : cells) histogram.sample_count += cell->bucket(i);
    // The serializer writes the +Inf bucket itself, from sample_count.
    if (i < bounds.size()) histogram.bucket.push_back({histogram.sample_count, bounds[i]});
  }
  for (const auto& [worker, cell] : cells) histogram.sample_sum += cell->sum();
}

constexpr prometheus::MetricType type_of(const Counter*) { return prometheus::MetricType::Counter; }
constexpr prometheus::MetricType type_of(const Gauge*) { return prometheus::MetricType::Gauge; }
constexpr prometheus::MetricType type_of(const Histogram*) { return prometheus::MetricType::Histogram; }

template <class Cell>
void collect(const CellFamily<Cell>& family, prometheus::MetricFamily& out, std::size_t,
             std::vector<PendingValue>&) {
  out.help = family.help;
  out.type = type_of(static_cast<const Cell*>(nullptr));
  out.metric.reserve(family.series.size());
  for (const auto& [labels, cells] : family.series) {
    out.metric.push_back(with_labels(labels));
    sum_up(out.metric.back(), cells);
  }
}

void collect(const ScrapedFamily& family, prometheus::MetricFamily& out, std::size_t index,
             std::vector<PendingValue>& pending) {
  out.help = family.help;
  out.type = family.type;
  for (const auto& [labels, value] : family.series) {
    pending.push_back({index, out.metric.size(), value});
    out.metric.push_back(with_labels(labels));
  }
}

}  // namespace

struct Registry::Impl {
  explicit Impl(unsigned workers) : shards(workers + 1) {}

  template <class FamilyType>
  FamilyType& family(std::string_view name, std::string_view help) {
    auto found = families.find(name);
    if (found == families.end()) {
      FamilyType made;
      made.help = help;
      found = families.emplace(std::string(name), std::move(made)).first;
    }
    if (auto* family = std::get_if<FamilyType>(&found->second)) return *family;
    throw std::logic_error("metric " + std::string(name) + " is already of another kind");
  }

  // The cell of `worker`, made in `cells` with `arguments` when it is not there yet.
  template <class Cell, class... Arguments>
  Cell& cell(Cells<Cell>& cells, unsigned worker, std::string_view name, std::string_view help,
             const Labels& labels, Arguments... arguments) {
    auto& of_workers = family<CellFamily<Cell>>(name, help).series[sorted(labels)];
    for (const auto& [owner, cell] : of_workers) {
      if (owner == worker) return *cell;
    }
    Cell& made = cells.emplace_back(arguments...);
    of_workers.emplace_back(worker, &made);
    return made;
  }

  void set_scraped(std::string_view name, std::string_view help, prometheus::MetricType type,
                   const Labels& labels, std::function<double()> value) {
    const std::lock_guard lock(mutex);
    auto& scraped = family<ScrapedFamily>(name, help);
    if (scraped.series.empty()) scraped.type = type;
    if (scraped.type != type) {
      throw std::logic_error("metric " + std::string(name) + " is already of another kind");
    }
    scraped.series[sorted(labels)] = std::move(value);
  }

  // Checked before a cell is made: a family whose workers disagree on bounds could not be summed.
  void check_bounds(std::string_view name, std::span<const double> bounds) const {
    const auto found = families.find(name);
    if (found == families.end()) return;
    const auto* family = std::get_if<CellFamily<Histogram>>(&found->second);
    if (!family || family->series.empty()) return;
    const auto& known = family->series.begin()->second.front().second->upper_bounds();
    if (!std::equal(known.begin(), known.end(), bounds.begin(), bounds.end())) {
      throw std::logic_error("metric " + std::string(name) + " already has other bounds");
    }
  }

  mutable std::mutex mutex;
  std::vector<Shard> shards;
  std::map<std::string, Family, std::less<>> families;  // by name: scrapes list them in the same order
};

Registry::Registry(unsigned workers) : workers_(workers), impl_(std::make_unique<Impl>(workers)) {}
Registry::~Registry() = default;

Counter& Registry::counter(unsigned worker, std::string_view name, std::string_view help,
                           const Labels& labels) {
  assert(worker <= workers_ && "a worker's number, or workers() for the control thread");
  const std::lock_guard lock(impl_->mutex);
  return impl_->cell(impl_->shards[worker].counters, worker, name, help, labels);
}

Gauge& Registry::gauge(unsigned worker, std::string_view name, std::string_view help, const Labels& labels) {
  assert(worker <= workers_ && "a worker's number, or workers() for the control thread");
  const std::lock_guard lock(impl_->mutex);
  return impl_->cell(impl_->shards[worker].gauges, worker, name, help, labels);
}

Histogram& Registry::histogram(unsigned worker, std::string_view name, std::string_view help,
                               std::span<const double> upper_bounds, const Labels& labels) {
  assert(worker <= workers_ && "a worker's number, or workers() for the control thread");
  const std::lock_guard lock(impl_->mutex);
  impl_->check_bounds(name, upper_bounds);
  return impl_->cell(impl_->shards[worker].histograms, worker, name, help, labels, upper_bounds);
}

void Registry::gauge_at_scrape(std::string_view name, std::string_view help, const Labels& labels,
                               std::function<double()> value) {
  impl_->set_scraped(name, help, prometheus::MetricType::Gauge, labels, std::move(value));
}

void Registry::counter_at_scrape(std::string_view name, std::string_view help, const Labels& labels,
                                 std::function<double()> value) {
  impl_->set_scraped(name, help, prometheus::MetricType::Counter, labels, std::move(value));
}

std::string Registry::scrape() const {
  std::vector<prometheus::MetricFamily> families;
  std::vector<PendingValue> pending;
  {
    const std::lock_guard lock(impl_->mutex);
    families.resize(impl_->families.size());
    std::size_t index = 0;
    for (const auto& [name, family] : impl_->families) {
      families[index].name = name;
      std::visit([&](const auto& known) { collect(known, families[index], index, pending); }, family);
      ++index;
    }
  }
  // Neither these nor the serializer may hold up a worker that registers.
  for (const PendingValue& each : pending) {
    auto& family = families[each.family];
    set_value(family.metric[each.metric], family.type, each.value());
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace sluice::metrics
