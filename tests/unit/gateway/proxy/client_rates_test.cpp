#include "gateway/proxy/client_rates.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;

constexpr config::Rate kTenPerSecond{10, 1s};

ClientKey client(std::uint32_t number) {
  const std::uint8_t address[4] = {10, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
                                   static_cast<std::uint8_t>(number)};
  return ClientKey::of(address, false);
}

class ClientRatesTest : public ::testing::Test {
 protected:
  bool take(const ClientKey& of, const config::Rate& rate = kTenPerSecond) { return !rates.take(of, rate, now); }
  int take_all(const ClientKey& of, const config::Rate& rate = kTenPerSecond) {
    int taken = 0;
    while (taken < 1000 && take(of, rate)) ++taken;
    return taken;
  }

  ClientRates rates;
  Clock::time_point now = Clock::now();
};

TEST_F(ClientRatesTest, ASecondsWorthAtOnceAndThenOneAfterTheOther) {
  EXPECT_EQ(take_all(client(1)), 10);
  EXPECT_EQ(rates.take(client(1), kTenPerSecond, now), Clock::duration(100ms)) << "when the next one is there";
  now += 99ms;
  EXPECT_FALSE(take(client(1)));
  now += 1ms;
  EXPECT_TRUE(take(client(1)));
  EXPECT_FALSE(take(client(1)));
  now += 500ms;
  EXPECT_EQ(take_all(client(1)), 5);
  now += 1h;
  EXPECT_EQ(take_all(client(1)), 10) << "no more is saved up";
}

TEST_F(ClientRatesTest, OneAtLeastWhenTheRateIsSlow) {
  constexpr config::Rate kSixPerMinute{6, 1min};
  EXPECT_EQ(take_all(client(1), kSixPerMinute), 1);
  EXPECT_EQ(rates.take(client(1), kSixPerMinute, now), Clock::duration(10s));
  now += 10s;
  EXPECT_EQ(take_all(client(1), kSixPerMinute), 1);
}

TEST_F(ClientRatesTest, WhoIsRefusedIsNotSetBack) {
  take_all(client(1));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(take(client(1)));
  now += 100ms;
  EXPECT_TRUE(take(client(1)));
}

TEST_F(ClientRatesTest, EachClientHasABucket) {
  EXPECT_EQ(take_all(client(1)), 10);
  EXPECT_EQ(take_all(client(2)), 10);
  EXPECT_EQ(take_all(*ClientKey::parse("2001:db8::1")), 10);
  EXPECT_EQ(take_all(*ClientKey::parse("2001:db8::2")), 0) << "the same /64";
  EXPECT_EQ(take_all(*ClientKey::parse("::1")), 10) << "the key of zeros";
  EXPECT_EQ(take_all(*ClientKey::parse("::1")), 0);
}

TEST_F(ClientRatesTest, AnotherRateHoldsAtOnce) {
  constexpr config::Rate kOnePerHour{1, 1h};
  EXPECT_TRUE(take(client(1), kOnePerHour));
  EXPECT_FALSE(take(client(1))) << "an empty bucket stays one";
  now += 100ms;
  EXPECT_TRUE(take(client(1))) << "but fills as the new rate says";
}

TEST_F(ClientRatesTest, RemembersThousandsAndForgetsTheFullestFirst) {
  constexpr std::uint32_t kHonest = ClientRates::kMostClients / 8;
  for (std::uint32_t i = 0; i < kHonest; ++i) EXPECT_EQ(take_all(client(i)), 10);
  int forgotten = 0;
  for (std::uint32_t i = 0; i < kHonest; ++i) forgotten += take(client(i));
  EXPECT_LE(forgotten, 2) << "an eighth of the places is taken";
  // Whoever has any number of addresses: what each has used is little, so the emptiest buckets stay.
  take_all(client(0));
  for (std::uint32_t i = kHonest; i < kHonest + 4 * ClientRates::kMostClients; ++i) take(client(i));
  EXPECT_FALSE(take(client(0)));
}

TEST_F(ClientRatesTest, WorkersShareIt) {
  constexpr config::Rate kFifty{50, 1s};
  std::atomic<int> taken = 0;
  const auto worker = [&] {
    for (int i = 0; i < 1000; ++i) taken += take(client(static_cast<std::uint32_t>(i % 7)), kFifty);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(worker);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 7 * 50);
}

}  // namespace
}  // namespace sluice::proxy
