#include "tls/cancellation.h"

#include <gmock/gmock.h>

#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

struct Wait {
  int stopped = 0;
  ErrorCode reason;
  static void stop(void* context, ErrorCode why) {
    auto& wait = *static_cast<Wait*>(context);
    ++wait.stopped;
    wait.reason = why;
  }
};

TEST(CancellationTest, StopsWhatIsRegistered) {
  Cancellation cancellation;
  Wait wait;
  const Cancellation::Registration registration(cancellation, &Wait::stop, &wait);
  EXPECT_EQ(wait.stopped, 0);
  EXPECT_FALSE(cancellation.reason());
  cancellation.cancel(StreamError::cancelled);
  EXPECT_EQ(wait.stopped, 1);
  EXPECT_EQ(wait.reason, StreamError::cancelled);
  EXPECT_EQ(cancellation.reason(), StreamError::cancelled);
}

TEST(CancellationTest, StopsOnceAndKeepsTheFirstReason) {
  Cancellation cancellation;
  Wait wait;
  const Cancellation::Registration registration(cancellation, &Wait::stop, &wait);
  cancellation.cancel(StreamError::timed_out);
  cancellation.cancel(StreamError::cancelled);
  EXPECT_EQ(wait.stopped, 1);
  EXPECT_EQ(cancellation.reason(), StreamError::timed_out);
}

TEST(CancellationTest, RefusesWhatIsRegisteredLater) {
  Cancellation cancellation;
  cancellation.cancel(StreamError::draining);
  Wait wait;
  const Cancellation::Registration registration(cancellation, &Wait::stop, &wait);
  EXPECT_EQ(wait.stopped, 1);
  EXPECT_EQ(wait.reason, StreamError::draining);
}

TEST(CancellationTest, LeavesWhatIsOverAlone) {
  Cancellation cancellation;
  Wait first;
  Wait second;
  { const Cancellation::Registration registration(cancellation, &Wait::stop, &first); }
  {
    const Cancellation::Registration registration(cancellation, &Wait::stop, &second);
    cancellation.cancel(StreamError::cancelled);
  }
  EXPECT_EQ(first.stopped, 0);
  EXPECT_EQ(second.stopped, 1);
}

TEST(CancellationTest, NothingRegisteredIsNoProblem) {
  Cancellation cancellation;
  cancellation.cancel(StreamError::cancelled);
  EXPECT_EQ(cancellation.reason(), StreamError::cancelled);
}

}  // namespace
}  // namespace sluice::tls
