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

TEST_F(WaiterTest, WaitsUntilWoken) {
  start(1);
  EXPECT_TRUE(waiter_.waiting());
  EXPECT_EQ(woken_, 0);
  waiter_.wake();
  EXPECT_EQ(woken_, 0);  // from the event loop only
  harness_.settle();
  EXPECT_TRUE(done_);
  EXPECT_FALSE(waiter_.waiting());
}

TEST_F(WaiterTest, WakeNowResumesBeforeItReturns) {
  start(1);
  waiter_.wake_now();
  EXPECT_EQ(woken_, 1);
  harness_.settle();
  EXPECT_TRUE(done_);
}

TEST_F(WaiterTest, AWakeBeforeTheWaitIsRemembered) {
  waiter_.wake();
  start(1);
  EXPECT_TRUE(done_);
}

TEST_F(WaiterTest, AWakeNowBeforeTheWaitIsRememberedToo) {
  waiter_.wake_now();
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
  waiter_.wake_now();
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
    waiter_.wake_now();
    EXPECT_EQ(woken_, i);
  }
  harness_.settle();
  EXPECT_TRUE(done_);
}

// What is destroyed while a coroutine waits takes the coroutine and its locals with it, from the event loop.
TEST_F(WaiterTest, DestroyingItDestroysWhoWaits) {
  struct Local {
    bool& gone;
    ~Local() { gone = true; }
  };
  bool gone = false;
  auto waiter = std::make_unique<Waiter>();
  struct Body {
    static Awaitable<> run(Waiter& waiting, bool& flag) {
      const Local local{flag};
      co_await waiting.wait();
    }
  };
  bool done = false;
  harness_.spawn(Body::run(*waiter, gone), done);
  harness_.settle();
  EXPECT_FALSE(gone);
  waiter.reset();
  harness_.settle();
  EXPECT_TRUE(gone);
  EXPECT_FALSE(done);
}

}  // namespace
}  // namespace sluice::tls
