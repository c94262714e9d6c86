#include "tls/waiter.h"

#include <gmock/gmock.h>

#include "tests/support/io_harness.h"

namespace sluice::tls {
namespace {

using test::IoHarness;

Awaitable<> wait_times(Waiter& waiter, int times, int& woken) {
  for (int i = 0; i < times; ++i) {
    co_await waiter.wait();
    ++woken;
  }
}

class WaiterTest : public ::testing::Test {
 protected:
  void start(int times) {
    harness_.spawn(wait_times(waiter_, times, woken_), done_);
    harness_.settle();
  }

  IoHarness harness_;
  Waiter waiter_;
  int woken_ = 0;
  bool done_ = false;
};

TEST_F(WaiterTest, WaitsUntilWokenAndResumesBeforeTheWakeReturns) {
  start(1);
  EXPECT_TRUE(waiter_.waiting());
  EXPECT_EQ(woken_, 0);
  waiter_.wake();
  EXPECT_EQ(woken_, 1);
  EXPECT_TRUE(done_);
  EXPECT_FALSE(waiter_.waiting());
}

TEST_F(WaiterTest, AWakeBeforeTheWaitIsRemembered) {
  waiter_.wake();
  start(1);
  EXPECT_TRUE(done_);
}

TEST_F(WaiterTest, WakesThatNobodyWaitedForCountAsOne) {
  waiter_.wake();
  waiter_.wake();
  start(2);
  EXPECT_EQ(woken_, 1);
  EXPECT_TRUE(waiter_.waiting());
  waiter_.wake();
  harness_.settle();
  EXPECT_TRUE(done_);
}

TEST_F(WaiterTest, ResetForgetsAWake) {
  waiter_.wake();
  waiter_.reset();
  start(1);
  EXPECT_EQ(woken_, 0);
  EXPECT_TRUE(waiter_.waiting());
  waiter_.wake();
  harness_.settle();
  EXPECT_TRUE(done_);
}

TEST_F(WaiterTest, ResetDoesNotTouchWhoWaits) {
  start(1);
  waiter_.reset();
  EXPECT_TRUE(waiter_.waiting());
  waiter_.wake();
  harness_.settle();
  EXPECT_TRUE(done_);
}

TEST_F(WaiterTest, WaitsAgainAfterEachWake) {
  start(3);
  for (int i = 1; i <= 3; ++i) {
    waiter_.wake();
    EXPECT_EQ(woken_, i);
  }
  harness_.settle();
  EXPECT_TRUE(done_);
}

}  // namespace
}  // namespace sluice::tls
