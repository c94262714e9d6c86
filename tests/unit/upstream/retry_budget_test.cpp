#include "upstream/retry_budget.h"

#include <gtest/gtest.h>

namespace sluice::upstream {
namespace {

using namespace std::chrono_literals;

class RetryBudgetTest : public ::testing::Test {
 protected:
  std::uint64_t take_all(RetryBudget& budget, std::uint64_t under_way) {
    std::uint64_t taken = 0;
    while (taken < 100'000 && budget.take(under_way, now_)) ++taken;
    return taken;
  }
  static void requests(RetryBudget& budget, int count) {
    for (int i = 0; i < count; ++i) budget.note_request();
  }
  Clock::time_point now_ = Clock::now() + 100ms;  // the budgets are made later, and count from then
};

TEST_F(RetryBudgetTest, FewRequestsMayBeRepeatedToo) {
  RetryBudget budget(20);
  EXPECT_EQ(take_all(budget, 0), RetryBudget::kFloor);
  now_ += 3s;
  EXPECT_EQ(take_all(budget, 0), 3 * RetryBudget::kPerSecond);
  now_ += 1h;
  EXPECT_EQ(take_all(budget, 0), RetryBudget::kFloor);
}

TEST_F(RetryBudgetTest, ManyRequestsEarnTheirShare) {
  RetryBudget budget(20);
  take_all(budget, 0);
  requests(budget, 500);
  EXPECT_EQ(take_all(budget, 1000), 100u);
  requests(budget, 4);
  EXPECT_EQ(take_all(budget, 1000), 0u);
  requests(budget, 1);
  EXPECT_EQ(take_all(budget, 1000), 1u);
}

// As many as can fail at once: those that are under way.
TEST_F(RetryBudgetTest, WhatIsSavedIsBoundedByWhatIsUnderWay) {
  RetryBudget budget(20);
  requests(budget, 1'000'000);
  EXPECT_EQ(take_all(budget, 640), 640u);
  requests(budget, 1'000'000);
  EXPECT_EQ(take_all(budget, 3), RetryBudget::kFloor);
}

TEST_F(RetryBudgetTest, OffIsNoBound) {
  RetryBudget budget(std::nullopt);
  EXPECT_EQ(take_all(budget, 0), 100'000u);
}

}  // namespace
}  // namespace sluice::upstream
