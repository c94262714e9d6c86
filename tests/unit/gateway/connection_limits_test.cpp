#include "gateway/connection_limits.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sluice {
namespace {

using Place = ConnectionLimits::Place;
using Verdict = ConnectionLimits::Verdict;
using proxy::ClientKey;

ClientKey key(const char* address) {
  std::uint8_t bytes[16] = {};
  const bool v6 = ::inet_pton(AF_INET6, address, bytes) == 1;
  if (!v6 && ::inet_pton(AF_INET, address, bytes) != 1) ADD_FAILURE() << address;
  return ClientKey::of(bytes, v6);
}

class LimitsTest : public ::testing::Test {
 protected:
  Verdict admit(const char* address) {
    Place place;
    const Verdict verdict = limits.admit(key(address), place);
    if (verdict == Verdict::admitted) places.push_back(std::move(place));
    return verdict;
  }
  ConnectionLimits limits;
  std::vector<Place> places;
};

TEST_F(LimitsTest, EachClientHasItsOwnShare) {
  limits.set(100, 2);
  EXPECT_EQ(admit("192.0.2.1"), Verdict::admitted);
  EXPECT_EQ(admit("192.0.2.1"), Verdict::admitted);
  EXPECT_EQ(admit("192.0.2.1"), Verdict::max_connections_per_client);
  EXPECT_EQ(admit("192.0.2.2"), Verdict::admitted);
  EXPECT_EQ(limits.open(), 3);
  places.clear();
  EXPECT_EQ(limits.open(), 0);
  EXPECT_EQ(admit("192.0.2.1"), Verdict::admitted);
}

TEST_F(LimitsTest, NothingIsKeptOfClientsThatLeft) {
  limits.set(10, 5);
  for (int i = 0; i < 10; ++i) admit(("192.0.2." + std::to_string(i)).c_str());
  EXPECT_EQ(limits.clients(), 10u);
  EXPECT_EQ(admit("192.0.2.99"), Verdict::max_connections);
  EXPECT_EQ(limits.clients(), 10u);
  places.clear();
  EXPECT_EQ(limits.clients(), 0u);
}

TEST_F(LimitsTest, WithoutALimitNobodyIsCounted) {
  limits.set(3, std::nullopt);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(admit("192.0.2.1"), Verdict::admitted);
  EXPECT_EQ(limits.clients(), 0u);
  EXPECT_EQ(admit("192.0.2.1"), Verdict::max_connections);
}

TEST_F(LimitsTest, WhoHasNoAddressCountsAgainstTheWholeAlone) {
  limits.set(2, 1);
  Place places_of_nobody[3];
  EXPECT_EQ(limits.admit(std::nullopt, places_of_nobody[0]), Verdict::admitted);
  EXPECT_EQ(limits.admit(std::nullopt, places_of_nobody[1]), Verdict::admitted);
  EXPECT_EQ(limits.admit(std::nullopt, places_of_nobody[2]), Verdict::max_connections);
}

TEST_F(LimitsTest, APlaceMayBeCountedForAClientLater) {
  limits.set(10, 1);
  Place first, second;
  ASSERT_EQ(limits.admit(std::nullopt, first), Verdict::admitted);
  ASSERT_EQ(limits.admit(std::nullopt, second), Verdict::admitted);
  EXPECT_TRUE(first.count_for(key("192.0.2.1")));
  EXPECT_FALSE(second.count_for(key("192.0.2.1")));
  EXPECT_EQ(admit("192.0.2.1"), Verdict::max_connections_per_client);
  first = Place();
  second = Place();
  EXPECT_EQ(limits.open(), 0);
  EXPECT_EQ(limits.clients(), 0u);
}

TEST_F(LimitsTest, APlaceCanBeMoved) {
  limits.set(10, 1);
  admit("192.0.2.1");
  Place moved = std::move(places.back());
  places.clear();
  EXPECT_EQ(admit("192.0.2.1"), Verdict::max_connections_per_client);
  moved = Place();
  EXPECT_EQ(admit("192.0.2.1"), Verdict::admitted);
}

TEST_F(LimitsTest, WorkersShareIt) {
  limits.set(1'000'000, 10);
  const auto worker = [this] {
    for (unsigned i = 0; i < 20'000; ++i) {
      const std::uint8_t address[4] = {10, 0, 0, static_cast<std::uint8_t>(i % 7)};
      Place place;
      EXPECT_EQ(limits.admit(ClientKey::of(address, false), place), Verdict::admitted);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(worker);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(limits.open(), 0);
  EXPECT_EQ(limits.clients(), 0u);
}

}  // namespace
}  // namespace sluice
