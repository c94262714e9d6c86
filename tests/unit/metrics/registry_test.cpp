#include "metrics/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace sluice::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<double> kBounds = {0.1, 1, 10};

std::uintptr_t line_of(const void* cell) { return reinterpret_cast<std::uintptr_t>(cell) / kCacheLine; }

TEST(Registry, SumsTheCellsOfAllWorkers) {
  Registry registry(2);
  registry.counter(0, "sluice_x_total", "Things.", {{"route", "a"}}).add(3);
  registry.counter(1, "sluice_x_total", "Things.", {{"route", "a"}}).add(4);
  registry.counter(2, "sluice_x_total", "Things.", {{"route", "a"}}).add(5);  // the control thread's
  registry.gauge(0, "sluice_y", "Level.").add(7);
  registry.gauge(1, "sluice_y", "Level.").add(-2);
  const std::string text = registry.scrape();
  EXPECT_THAT(text, HasSubstr("# HELP sluice_x_total Things.\n# TYPE sluice_x_total counter\n"));
  EXPECT_THAT(text, HasSubstr("\nsluice_x_total{route=\"a\"} 12\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE sluice_y gauge\nsluice_y 5\n"));
}

TEST(Registry, GivesTheSameCellForTheSameLabelsInAnyOrder) {
  Registry registry(1);
  Counter& first = registry.counter(0, "sluice_x_total", "Things.", {{"a", "1"}, {"b", "2"}});
  Counter& again = registry.counter(0, "sluice_x_total", "Things.", {{"b", "2"}, {"a", "1"}});
  Counter& other = registry.counter(0, "sluice_x_total", "Things.", {{"a", "1"}, {"b", "3"}});
  EXPECT_EQ(&first, &again);
  EXPECT_NE(&first, &other);
}

TEST(Registry, KeepsSeriesWithDifferentLabelsApart) {
  Registry registry(2);
  registry.gauge(0, "sluice_open", "Open.", {{"worker", "0"}}).set(3);
  registry.gauge(1, "sluice_open", "Open.", {{"worker", "1"}}).set(4);
  EXPECT_THAT(registry.scrape(), HasSubstr("sluice_open{worker=\"0\"} 3\nsluice_open{worker=\"1\"} 4\n"));
}

TEST(Registry, ListsFamiliesAndSeriesInTheSameOrderHoweverTheyWereMade) {
  Registry forward(1);
  Registry backward(1);
  const std::vector<std::string> names = {"sluice_a_total", "sluice_b_total", "sluice_c_total"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      forward.counter(0, names[i], "Help.", {{"k", std::to_string(k)}});
      backward.counter(0, names[2 - i], "Help.", {{"k", std::to_string(2 - k)}});
    }
  }
  EXPECT_EQ(forward.scrape(), backward.scrape());
  const std::string text = forward.scrape();
  EXPECT_LT(text.find("TYPE sluice_a_total"), text.find("TYPE sluice_b_total"));
  EXPECT_LT(text.find("TYPE sluice_b_total"), text.find("TYPE sluice_c_total"));
}

TEST(Registry, CountersAreExactUpToTwoToThe53) {
  Registry registry(2);
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 53;
  registry.counter(0, "sluice_bytes_total", "Bytes.").add(kLimit - 2);
  registry.counter(1, "sluice_bytes_total", "Bytes.").add(1);
  EXPECT_THAT(registry.scrape(), HasSubstr("sluice_bytes_total 9007199254740991\n"));
}

TEST(Registry, LabelValuesCannotLeaveTheirQuotes) {
  Registry registry(1);
  registry.counter(0, "sluice_x_total", "Things.", {{"route", "a\"b\\c\nd"}}).add();
  EXPECT_THAT(registry.scrape(), HasSubstr("sluice_x_total{route=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(Registry, HistogramsSumBucketsCumulatively) {
  Registry registry(2);
  Histogram& first = registry.histogram(0, "sluice_t_seconds", "Time.", kBounds, {{"route", "a"}});
  Histogram& second = registry.histogram(1, "sluice_t_seconds", "Time.", kBounds, {{"route", "a"}});
  first.observe(0.1);  // on the bound: belongs to it
  first.observe(0.5);
  second.observe(0.05);
  second.observe(100);
  const std::string text = registry.scrape();
  EXPECT_THAT(text, HasSubstr("# TYPE sluice_t_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("sluice_t_seconds_count{route=\"a\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("sluice_t_seconds_sum{route=\"a\"} 100.65\n"));
  EXPECT_THAT(text, HasSubstr("sluice_t_seconds_bucket{route=\"a\",le=\"0.1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_t_seconds_bucket{route=\"a\",le=\"1\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sluice_t_seconds_bucket{route=\"a\",le=\"10\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sluice_t_seconds_bucket{route=\"a\",le=\"+Inf\"} 4\n"));
}

TEST(Registry, AsksForValuesAtScrape) {
  Registry registry(1);
  double value = 1.5;
  registry.gauge_at_scrape("sluice_age_seconds", "Age.", {{"worker", "0"}}, [&] { return value; });
  registry.counter_at_scrape("sluice_cpu_seconds_total", "CPU.", {}, [&] { return value * 2; });
  EXPECT_THAT(registry.scrape(), HasSubstr("sluice_age_seconds{worker=\"0\"} 1.5\n"));
  value = 2.5;
  const std::string text = registry.scrape();
  EXPECT_THAT(text, HasSubstr("sluice_age_seconds{worker=\"0\"} 2.5\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE sluice_cpu_seconds_total counter\nsluice_cpu_seconds_total 5\n"));
}

TEST(Registry, ALaterValueAtScrapeReplacesTheEarlier) {
  Registry registry(1);
  registry.gauge_at_scrape("sluice_age_seconds", "Age.", {}, [] { return 1.0; });
  registry.gauge_at_scrape("sluice_age_seconds", "Age.", {}, [] { return 2.0; });
  EXPECT_THAT(registry.scrape(), HasSubstr("sluice_age_seconds 2\n"));
  EXPECT_THAT(registry.scrape(), Not(HasSubstr("sluice_age_seconds 1\n")));
}

TEST(Registry, AValueAtScrapeMayRegister) {
  Registry registry(1);
  registry.gauge_at_scrape("sluice_a", "A.", {}, [&] {
    registry.counter(1, "sluice_scrapes_total", "Scrapes.").add();
    return 1.0;
  });
  registry.scrape();
  EXPECT_THAT(registry.scrape(), HasSubstr("sluice_scrapes_total 1\n"));
}

TEST(Registry, RefusesOneNameForTwoKinds) {
  Registry registry(1);
  registry.counter(0, "sluice_x", "X.");
  EXPECT_THROW(registry.gauge(0, "sluice_x", "X."), std::logic_error);
  EXPECT_THROW(registry.gauge_at_scrape("sluice_x", "X.", {}, [] { return 0.0; }), std::logic_error);
  registry.gauge_at_scrape("sluice_y", "Y.", {}, [] { return 0.0; });
  EXPECT_THROW(registry.counter_at_scrape("sluice_y", "Y.", {}, [] { return 0.0; }), std::logic_error);
}

TEST(Registry, RefusesOtherBounds) {
  Registry registry(2);
  registry.histogram(0, "sluice_t_seconds", "T.", kBounds);
  const std::vector<double> other = {0.1, 2, 10};
  EXPECT_THROW(registry.histogram(1, "sluice_t_seconds", "T.", other), std::logic_error);
  EXPECT_NO_THROW(registry.histogram(1, "sluice_t_seconds", "T.", kBounds));
}

TEST(Registry, WorkersShareNoCacheLine) {
  constexpr unsigned kWorkers = 4;
  Registry registry(kWorkers);
  std::vector<std::set<std::uintptr_t>> lines(kWorkers + 1);
  // Interleaved, as routes register: every worker for one route, then for the next.
  for (int route = 0; route < 300; ++route) {
    const Labels labels = {{"route", std::to_string(route)}};
    for (unsigned worker = 0; worker <= kWorkers; ++worker) {
      lines[worker].insert(line_of(&registry.counter(worker, "sluice_c_total", "C.", labels)));
      lines[worker].insert(line_of(&registry.gauge(worker, "sluice_g", "G.", labels)));
      const Histogram& histogram = registry.histogram(worker, "sluice_h_seconds", "H.", kBounds, labels);
      for (std::size_t offset = 0; offset < sizeof(Histogram); offset += 8) {
        lines[worker].insert(line_of(reinterpret_cast<const char*>(&histogram) + offset));
      }
      lines[worker].insert(line_of(histogram.upper_bounds().data()));
    }
  }
  for (unsigned a = 0; a <= kWorkers; ++a) {
    for (unsigned b = a + 1; b <= kWorkers; ++b) {
      for (const std::uintptr_t line : lines[a]) ASSERT_FALSE(lines[b].contains(line));
    }
  }
}

TEST(Registry, CellsComeFromWholeCacheLines) {
  constexpr unsigned kWorkers = 4;
  Registry registry(kWorkers);
  for (unsigned worker = 0; worker <= kWorkers; ++worker) {
    for (const void* first :
         {static_cast<const void*>(&registry.counter(worker, "sluice_c_total", "C.")),
          static_cast<const void*>(&registry.gauge(worker, "sluice_g", "G.")),
          static_cast<const void*>(&registry.histogram(worker, "sluice_h", "H.", kBounds))}) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % kCacheLine, 0U);
    }
  }
}

TEST(CacheLineAllocator, GivesWholeLines) {
  std::vector<std::vector<Counter, CacheLineAllocator<Counter>>> blocks;
  std::set<std::uintptr_t> seen;
  for (int i = 0; i < 100; ++i) {
    const auto& block = blocks.emplace_back(3);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.data()) % kCacheLine, 0U);
    EXPECT_TRUE(seen.insert(line_of(block.data())).second);
  }
}

std::uint64_t count_in(const std::string& text) {
  constexpr std::string_view kStart = "\nsluice_c_total ";
  const auto found = text.find(kStart);
  return found == std::string::npos ? 0 : std::strtoull(text.c_str() + found + kStart.size(), nullptr, 10);
}

TEST(Registry, ScrapesAndRegistersWhileWorkersCount) {
  constexpr unsigned kWorkers = 3;
  constexpr std::uint64_t kRounds = 20000;
  Registry registry(kWorkers);
  std::vector<std::thread> threads;
  std::atomic<unsigned> running{kWorkers};
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&registry, &running, worker] {
      Counter& counter = registry.counter(worker, "sluice_c_total", "C.");
      Gauge& gauge = registry.gauge(worker, "sluice_g", "G.");
      Histogram& histogram = registry.histogram(worker, "sluice_h_seconds", "H.", kBounds);
      for (std::uint64_t i = 0; i < kRounds; ++i) {
        const GaugeHold hold(gauge);
        counter.add();
        histogram.observe(0.5);
        if (i % 1000 == 0)
          registry.counter(worker, "sluice_late_total", "L.", {{"i", std::to_string(i)}}).add();
      }
      running.fetch_sub(1);
    });
  }
  std::uint64_t seen = 0;
  while (running.load() > 0) {
    const std::uint64_t now = count_in(registry.scrape());
    EXPECT_GE(now, seen) << "a counter never goes back";
    seen = now;
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = registry.scrape();
  EXPECT_THAT(text, HasSubstr("\nsluice_c_total 60000\n"));
  EXPECT_THAT(text, HasSubstr("\nsluice_g 0\n"));
  EXPECT_THAT(text, HasSubstr("\nsluice_h_seconds_count 60000\n"));
  EXPECT_THAT(text, HasSubstr("sluice_late_total{i=\"19000\"} 3\n"));
}

TEST(GaugeHold, CountsOneWhileItLives) {
  Gauge gauge;
  {
    GaugeHold first(gauge);
    EXPECT_EQ(gauge.value(), 1);
    GaugeHold moved = std::move(first);
    EXPECT_EQ(gauge.value(), 1);
    Gauge other;
    GaugeHold replaced(other);
    moved = std::move(replaced);
    EXPECT_EQ(gauge.value(), 0);
    EXPECT_EQ(other.value(), 1);
    moved.release();
    EXPECT_EQ(other.value(), 0);
  }
  EXPECT_EQ(gauge.value(), 0);
}

TEST(Bounds, Ascend) {
  for (const auto* bounds : {&kLatencyBounds, &kDurationBounds}) {
    for (std::size_t i = 1; i < bounds->size(); ++i) EXPECT_LT((*bounds)[i - 1], (*bounds)[i]);
  }
  EXPECT_DOUBLE_EQ(kLatencyBounds.front(), 0.0005);
  EXPECT_DOUBLE_EQ(kLatencyBounds.back(), 60);
  EXPECT_DOUBLE_EQ(kDurationBounds.front(), 1);
  EXPECT_DOUBLE_EQ(kDurationBounds.back(), 7 * 24 * 3600);
}

}  // namespace
}  // namespace sluice::metrics
