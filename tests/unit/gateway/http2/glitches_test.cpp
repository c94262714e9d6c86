#include "gateway/http2/glitches.h"

#include <gtest/gtest.h>

namespace sluice::http2 {
namespace {

using namespace std::chrono_literals;
using metrics::Http2Violation;

const Glitches::Time kStart{1h};

// How many pass in a row.
template <class Event>
int passing(Event event, int most = 200'000) {
  for (int passed = 0; passed < most; ++passed) {
    if (event() != Http2Violation::none) return passed;
  }
  return most;
}

TEST(Glitches, ABurstAndThenARate) {
  Glitches glitches(config::Rate{150, 1s}, 50);
  const auto resets = [&](auto after) { return passing([&] { return glitches.reset(kStart + after); }); };
  EXPECT_EQ(resets(0s), 200);
  EXPECT_EQ(resets(0s), 0);
  EXPECT_EQ(resets(100ms), 15);
  EXPECT_EQ(resets(1100ms), 150);
  EXPECT_EQ(resets(1h), 200);  // no more than it holds
  EXPECT_EQ(glitches.reset(kStart + 1h), Http2Violation::max_resets);
}

TEST(Glitches, AllThatAClientHasOpenAtOnce) {
  Glitches glitches(config::Rate{60, 1min}, 128);
  const auto resets = [&](auto after) { return passing([&] { return glitches.reset(kStart + after); }); };
  EXPECT_EQ(resets(0s), 129);
  EXPECT_EQ(resets(10s), 10);
}

TEST(Glitches, ResetsMayBeUnlimited) {
  Glitches glitches(std::nullopt, 128);
  EXPECT_EQ(passing([&] { return glitches.reset(kStart); }), 200'000);
}

TEST(Glitches, OneResetAtLeast) {
  Glitches glitches(config::Rate{1, 1h}, 1);
  EXPECT_EQ(passing([&] { return glitches.reset(kStart); }), 2);
  EXPECT_EQ(passing([&] { return glitches.reset(kStart + 1h); }), 1);
}

TEST(Glitches, IdleFramesAndWindowUpdatesHaveBucketsOfTheirOwn) {
  Glitches glitches(config::Rate{1, 1s}, 99);
  EXPECT_EQ(passing([&] { return glitches.idle_frame(kStart); }), 1000);
  EXPECT_EQ(glitches.idle_frame(kStart), Http2Violation::idle_frames);
  EXPECT_EQ(passing([&] { return glitches.window_update(kStart); }), 1000);
  EXPECT_EQ(glitches.window_update(kStart), Http2Violation::window_updates);
  EXPECT_EQ(passing([&] { return glitches.reset(kStart); }), 100);
  EXPECT_EQ(passing([&] { return glitches.idle_frame(kStart + 1s); }), 200);
  EXPECT_EQ(passing([&] { return glitches.window_update(kStart + 1s); }), 100);
}

TEST(Glitches, DataAllowsWindowUpdatesAndIdleFrames) {
  Glitches glitches(std::nullopt, 128);
  for (int i = 0; i < 25; ++i) glitches.data_sent();
  EXPECT_EQ(passing([&] { return glitches.window_update(kStart); }), 1100);
  EXPECT_EQ(passing([&] { return glitches.idle_frame(kStart); }), 1025);
  for (int i = 0; i < 1'000'000; ++i) glitches.data_sent();
  EXPECT_EQ(passing([&] { return glitches.window_update(kStart); }), 100'000);
}

TEST(Glitches, RequestsAllowWindowUpdatesAndIdleFrames) {
  Glitches glitches(std::nullopt, 128);
  for (int i = 0; i < 25; ++i) glitches.request_came();
  EXPECT_EQ(passing([&] { return glitches.window_update(kStart); }), 1050);
  EXPECT_EQ(passing([&] { return glitches.idle_frame(kStart); }), 1025);
}

}  // namespace
}  // namespace sluice::http2
