#include "gateway/websocket/rate_meter.h"

#include <gtest/gtest.h>

namespace sluice::websocket {
namespace {

using namespace std::chrono_literals;

// A moment at which a window begins.
const Clock::time_point kBegin{Clock::duration(RateMeter::kWindow) * 1000};
const Clock::time_point kLongAgo = kBegin - 1h;

TEST(RateMeter, NothingCame) { EXPECT_EQ(RateMeter().per_second(kBegin, kLongAgo), 0); }

TEST(RateMeter, AnEvenRateIsTold) {
  RateMeter meter;
  for (int i = 0; i < 200; ++i) meter.add(5, kBegin + i * 50ms);  // 100 a second, for ten seconds
  EXPECT_NEAR(meter.per_second(kBegin + 10s - 1ms, kLongAgo), 100, 1);
  EXPECT_NEAR(meter.per_second(kBegin + 7500ms, kLongAgo), 150, 1) << "what is still to come of the window counts already";
}

TEST(RateMeter, ItFadesWithinTwoWindows) {
  RateMeter meter;
  meter.add(1000, kBegin + 4s);
  EXPECT_NEAR(meter.per_second(kBegin + 4s, kLongAgo), 200, 0.1);
  EXPECT_NEAR(meter.per_second(kBegin + 7500ms, kLongAgo), 100, 0.1) << "half of the window before lies within the last five seconds";
  EXPECT_EQ(meter.per_second(kBegin + 10s, kLongAgo), 0);
  EXPECT_EQ(meter.per_second(kBegin + 24h, kLongAgo), 0);
}

TEST(RateMeter, AYoungOneIsMeasuredByItsAge) {
  RateMeter meter;
  meter.add(20, kBegin + 100ms);
  EXPECT_NEAR(meter.per_second(kBegin + 2s, kBegin), 10, 0.01);
  EXPECT_NEAR(meter.per_second(kBegin + 200ms, kBegin), 20, 0.01) << "no rate is made of a moment";
}

TEST(RateMeter, AskingChangesNothing) {
  RateMeter meter;
  meter.add(50, kBegin);
  EXPECT_EQ(meter.per_second(kBegin + 1h, kLongAgo), 0);
  EXPECT_NEAR(meter.per_second(kBegin + 1s, kLongAgo), 10, 0.01);
}

TEST(RateMeter, MoreThanItCanCountStaysMuch) {
  RateMeter meter;
  meter.add(UINT64_C(1) << 40, kBegin);
  meter.add(1, kBegin);
  EXPECT_GT(meter.per_second(kBegin, kLongAgo), 8e8);
}

}  // namespace
}  // namespace sluice::websocket
