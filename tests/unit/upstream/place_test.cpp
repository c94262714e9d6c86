#include "upstream/place.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sluice::upstream {
namespace {

TEST(PlaceTest, IsGivenBackByWhoeverHoldsIt) {
  const auto count = std::make_shared<Place::Count>(0);
  Place first = Place::take(count, 2);
  Place second = Place::take(count, 2);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(Place::take(count, 2));
  EXPECT_EQ(*count, 2u);
  Place moved = std::move(first);
  first.give_back();
  EXPECT_EQ(*count, 2u);
  second = std::move(moved);  // what it held before is given back
  EXPECT_EQ(*count, 1u);
  EXPECT_TRUE(Place::take(count, 2));
  second.give_back();
  second.give_back();
  EXPECT_EQ(*count, 0u);
}

TEST(PlaceTest, CountsWithoutABoundToo) {
  const auto count = std::make_shared<Place::Count>(0);
  const Place first = Place::take(count, std::nullopt);
  const Place second = Place::take(count, std::nullopt);
  EXPECT_EQ(*count, 2u);
  EXPECT_FALSE(Place::take(count, 2)) << "a bound that came later";
  EXPECT_FALSE(Place::take(std::make_shared<Place::Count>(0), 0));
}

TEST(PlaceTest, NoneHoldsNothing) {
  Place none;
  EXPECT_FALSE(none);
  none.give_back();
}

TEST(PlaceTest, ThreadsNeverHoldOneTooMany) {
  constexpr std::uint32_t kMost = 3;
  const auto count = std::make_shared<Place::Count>(0);
  std::atomic<std::uint32_t> held{0};
  std::atomic<bool> too_many{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20'000; ++round) {
        std::vector<Place> places;
        for (int wanted = 0; wanted < 2; ++wanted) {
          Place place = Place::take(count, kMost);
          if (!place) continue;
          if (held.fetch_add(1) >= kMost) too_many = true;
          places.push_back(std::move(place));
        }
        held.fetch_sub(static_cast<std::uint32_t>(places.size()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(too_many);
  EXPECT_EQ(*count, 0u);
}

}  // namespace
}  // namespace sluice::upstream
