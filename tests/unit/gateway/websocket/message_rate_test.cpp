#include "gateway/websocket/message_rate.h"

#include <gtest/gtest.h>

namespace sluice::websocket {
namespace {

using namespace std::chrono_literals;

constexpr Clock::time_point kStart = Clock::time_point(1h);
const MessageRateRule kRule{.each = 100ms, .burst = 5};

TEST(MessageRate, BeginsWithTheWholeBurst) {
  MessageRate rate;
  EXPECT_EQ(rate.available(kRule, kStart), 5u);
  EXPECT_LE(rate.next(kRule), kStart);
}

TEST(MessageRate, ComesBackOneByOne) {
  MessageRate rate;
  rate.take(kRule, 5, kStart);
  EXPECT_EQ(rate.available(kRule, kStart), 0u);
  EXPECT_EQ(rate.next(kRule), kStart + 100ms);
  EXPECT_EQ(rate.available(kRule, kStart + 99ms), 0u);
  EXPECT_EQ(rate.available(kRule, kStart + 100ms), 1u);
  EXPECT_EQ(rate.available(kRule, kStart + 350ms), 3u);
  EXPECT_EQ(rate.available(kRule, kStart + 1h), 5u) << "no more than the burst is saved";
}

TEST(MessageRate, NextIsWhenOneIsAvailable) {
  MessageRate rate;
  Clock::time_point now = kStart;
  for (int i = 0; i < 50; ++i) {
    if (rate.available(kRule, now) == 0) now = rate.next(kRule);
    ASSERT_GE(rate.available(kRule, now), 1u) << i;
    rate.take(kRule, 1, now);
  }
  EXPECT_EQ(now, kStart + 45 * 100ms) << "five at once, then one each 100 ms";
}

TEST(MessageRate, WhoWasLetGoOnLateLosesNothing) {
  const MessageRateRule rule{.each = 1ms, .burst = 1, .slack = 40ms};
  MessageRate rate;
  rate.take(rule, rate.available(rule, kStart), kStart);
  int passed = 0;
  for (Clock::time_point now = kStart; now < kStart + 1s; now += 20ms) {
    const std::uint32_t count = rate.available(rule, now);
    rate.take(rule, count, now);
    passed += static_cast<int>(count);
  }
  EXPECT_GE(passed, 940);
  EXPECT_LE(passed, 1041);
}

TEST(MessageRate, OneAtATime) {
  const MessageRateRule rule{.each = 1s, .burst = 1};
  MessageRate rate;
  rate.take(rule, 1, kStart);
  EXPECT_EQ(rate.available(rule, kStart + 999ms), 0u);
  EXPECT_EQ(rate.available(rule, kStart + 1s), 1u);
}

}  // namespace
}  // namespace sluice::websocket
