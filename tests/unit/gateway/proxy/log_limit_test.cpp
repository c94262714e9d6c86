#include "gateway/proxy/log_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// How many of `lines` are let through.
unsigned admitted(LogLimit& limit, std::string_view kind, unsigned lines) {
  unsigned count = 0;
  for (unsigned i = 0; i < lines; ++i) count += limit.admit(kind) ? 1 : 0;
  return count;
}

// What the process log says meanwhile: before start_logs() it goes to stderr at once.
template <typename Action>
std::string logged(Action action) {
  ::testing::internal::CaptureStderr();
  action();
  return ::testing::internal::GetCapturedStderr();
}

TEST(LogLimit, TheFirstLinesOfAKindAreWrittenAndTheOthersSummedUp) {
  tls::TimerWheel wheel;
  LogLimit limit(wheel);
  EXPECT_EQ(admitted(limit, "reset", LogLimit::kLines + 123), LogLimit::kLines);
  EXPECT_EQ(admitted(limit, "bad_response", 3), 3u) << "each kind has its own share";
  const std::string text =
      logged([&] { wheel.run(Clock::now() + LogLimit::kPeriod + std::chrono::seconds(1)); });
  EXPECT_THAT(text, HasSubstr("and 123 more like this in the last 10 s: reset"));
  EXPECT_THAT(text, Not(HasSubstr("bad_response")));
  EXPECT_EQ(admitted(limit, "reset", LogLimit::kLines + 1), LogLimit::kLines)
      << "the next period begins anew";
}

TEST(LogLimit, FewLinesNeedNoSum) {
  tls::TimerWheel wheel;
  LogLimit limit(wheel);
  EXPECT_EQ(admitted(limit, "reset", LogLimit::kLines), LogLimit::kLines);
  EXPECT_THAT(logged([&] { wheel.run(Clock::now() + LogLimit::kPeriod + std::chrono::seconds(1)); }),
              IsEmpty());
}

TEST(LogLimit, WhatWasLeftOutIsToldAtTheEnd) {
  tls::TimerWheel wheel;
  const std::string text = logged([&] {
    LogLimit limit(wheel);
    admitted(limit, "reset", LogLimit::kLines + 1);
  });
  EXPECT_THAT(text, HasSubstr("and 1 more like this in the last 10 s: reset"));
}

}  // namespace
}  // namespace sluice::proxy
