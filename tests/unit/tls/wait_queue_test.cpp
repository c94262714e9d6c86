#include "tls/wait_queue.h"

#include <gtest/gtest.h>

#include "tests/support/io_harness.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

using namespace std::chrono_literals;

struct Waiting {
  Cancellation cancellation;
  int woken = 0;
  ErrorCode stopped;
};

class WaitQueueTest : public ::testing::Test {
 protected:
  static Awaitable<> wait(WaitQueue& queue, TimerWheel& wheel, std::optional<std::chrono::milliseconds> time, int times, Waiting& waiting) {
    WaitQueue::Bound bound(wheel, time, waiting.cancellation);
    for (int i = 0; i < times; ++i) {
      co_await queue.wait(bound);
      ++waiting.woken;
    }
    waiting.stopped = bound.stopped();
  }
  void begin(Waiting& waiting, int times = 1, std::optional<std::chrono::milliseconds> time = std::nullopt) {
    harness_.loop.spawn(wait(queue_, harness_.io.wheel, time, times, waiting));
  }

  test::IoHarness harness_;
  WaitQueue queue_{harness_.loop};
};

TEST_F(WaitQueueTest, WakesThoseWhoWaitOnce) {
  Waiting one, two;
  begin(one, 2);
  begin(two);
  EXPECT_EQ(queue_.size(), 2U);
  queue_.wake_all();
  EXPECT_EQ(one.woken + two.woken, 0);  // not from within the call
  harness_.settle();
  EXPECT_EQ(one.woken, 1);
  EXPECT_EQ(two.woken, 1);
  EXPECT_EQ(queue_.size(), 1U);  // it waits anew
  queue_.wake_all();
  harness_.settle();
  EXPECT_EQ(one.woken, 2);
  EXPECT_FALSE(one.stopped || two.stopped);
}

TEST_F(WaitQueueTest, NobodyWaitsForLonger) {
  Waiting one;
  begin(one, 3, 30ms);
  ASSERT_TRUE(harness_.run_until([&] { return one.woken == 3; }));  // and for nothing more
  EXPECT_EQ(one.stopped, StreamError::timed_out);
  EXPECT_EQ(queue_.size(), 0U);
}

TEST_F(WaitQueueTest, OneThatIsCalledOffLeavesTheOthers) {
  Waiting one, two, before;
  begin(one);
  begin(two);
  queue_.wake_all();
  one.cancellation.cancel(make_error_code(StreamError::cancelled));
  EXPECT_EQ(one.woken, 1);
  EXPECT_EQ(one.stopped, StreamError::cancelled);
  EXPECT_EQ(two.woken, 0);
  harness_.settle();
  EXPECT_EQ(two.woken, 1);
  before.cancellation.cancel(make_error_code(StreamError::cancelled));
  begin(before);
  EXPECT_EQ(before.woken, 1);
  EXPECT_EQ(queue_.size(), 0U);
}

}  // namespace
}  // namespace sluice::tls
