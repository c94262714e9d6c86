#include "tls/heavy_work.h"

#include <gmock/gmock.h>

#include <optional>

#include "tests/support/tls_harness.h"
#include "tls/stream_error.h"

namespace sluice::tls {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::SizeIs;
// More than any machine takes for the rest of a turn in these tests.
constexpr std::chrono::milliseconds kLong{50};

void work_for(std::chrono::milliseconds time) {
  const Clock::time_point end = Clock::now() + time;
  while (Clock::now() < end) {
  }
}

class HeavyWorkTest : public ::testing::Test {
 protected:
  static Awaitable<> work(EventLoop& loop, int number, std::chrono::milliseconds takes, std::vector<int>& done) {
    if (!loop.heavy_work().begins_now()) {
      Waiter waiter;
      const HeavyWork::Place place(loop.heavy_work(), waiter, HeavyWork::Kind::begins);
      while (!place.turn_has_come()) co_await waiter.wait();
    }
    work_for(takes);
    done.push_back(number);
  }
  void begin(int number, std::chrono::milliseconds takes = 0ms) { harness_.loop.spawn(work(harness_.loop, number, takes, done_)); }
  void begin_as_many_as_at_once() {
    done_.clear();
    for (int number = 0; number < HeavyWork::kAtOnce; ++number) begin(number);
    ASSERT_THAT(done_, SizeIs(HeavyWork::kAtOnce));
    done_.clear();
  }

  test::IoHarness harness_;
  std::vector<int> done_;
};

TEST_F(HeavyWorkTest, AFewBeginAtOnceAndTheOthersInTheirOrder) {
  begin_as_many_as_at_once();
  begin(10, kLong);
  begin(11, kLong);
  begin(12);
  EXPECT_TRUE(done_.empty());
  harness_.loop.turn(0ms);
  EXPECT_THAT(done_, ElementsAre(10)) << "then the turn's share is used up";
  begin(13);
  EXPECT_THAT(done_, ElementsAre(10)) << "behind those who wait";
  harness_.loop.turn(0ms);
  harness_.loop.turn(0ms);
  EXPECT_THAT(done_, ElementsAre(10, 11, 12, 13));
}

TEST_F(HeavyWorkTest, HalfOfWhatTheRestOfTheTurnHasTaken) {
  NextTurn rest(harness_.loop, [](void*) { work_for(6 * kLong); }, nullptr);
  rest.request();
  begin_as_many_as_at_once();
  for (int number = 0; number < 5; ++number) begin(number, 10ms);
  harness_.loop.turn(0ms);
  EXPECT_THAT(done_, SizeIs(5));
}

TEST_F(HeavyWorkTest, NobodyWaitsWhenThereIsLittleToDo) {
  for (int number = 0; number < 3 * HeavyWork::kAtOnce; ++number) {
    begin(number);
    ASSERT_THAT(done_, SizeIs(number + 1));
    harness_.loop.turn(0ms);
  }
}

TEST_F(HeavyWorkTest, TheLoopEndsWhenAllIsDone) {
  constexpr int kMany = 3 * HeavyWork::kAtOnce;
  for (int number = 0; number < kMany; ++number) begin(number);
  harness_.loop.finish();
  harness_.loop.run();
  EXPECT_THAT(done_, SizeIs(kMany));
}

TEST_F(HeavyWorkTest, MayBeDestroyedWhileSomebodyWaits) {
  EventLoop loop;
  for (int number = 0; number < 3 * HeavyWork::kAtOnce; ++number) loop.spawn(work(loop, number, 0ms, done_));
  EXPECT_THAT(done_, SizeIs(HeavyWork::kAtOnce));
}

struct Handshake {
  Handshake(test::IoHarness& loop, int end, SslPtr session)
      : stream(Stream::secure(loop.io, Descriptor(end), std::move(session))) {
    loop.spawn(test::shake_hands(*stream, error), done);
  }
  StreamPtr stream;
  ErrorCode error;
  bool done = false;
};

class HandshakesAsHeavyWork : public HeavyWorkTest {
 protected:
  // A server whose client's hello is there.
  HandshakesAsHeavyWork() {
    int ends[2];
    test::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0, "socketpair");
    client_.emplace(clients_loop_, ends[1], tls_.client_session());
    server_.emplace(harness_, ends[0], tls_.server_session());
  }
  bool answered() {
    char byte;
    return ::recv(client_->stream->descriptor(), &byte, 1, MSG_PEEK) == 1;
  }

  const test::TlsHarness tls_;
  test::IoHarness clients_loop_;
  std::optional<Handshake> client_, server_;
};

TEST_F(HandshakesAsHeavyWork, AHelloIsAnsweredInItsTurn) {
  begin_as_many_as_at_once();
  begin(10, kLong);
  harness_.loop.turn(0ms);
  EXPECT_THAT(done_, ElementsAre(10));
  EXPECT_FALSE(answered());
  harness_.loop.turn(0ms);
  EXPECT_TRUE(answered());
  begin_as_many_as_at_once();
  begin(20, kLong);
  begin(21, kLong);
  EXPECT_TRUE(clients_loop_.run_until([&] { return client_->done; }));
  harness_.loop.turn(0ms);
  EXPECT_THAT(done_, ElementsAre(20)) << "that is its turn's share";
  EXPECT_TRUE(server_->done) << "what has begun goes on first";
  EXPECT_FALSE(server_->error) << server_->error.message();
}

TEST_F(HandshakesAsHeavyWork, WhoIsCalledOffWaitsNoLonger) {
  begin_as_many_as_at_once();
  for (int number = 10; number < 14; ++number) begin(number, kLong);
  harness_.loop.turn(0ms);
  server_->stream->abort(StreamError::timed_out);
  harness_.loop.turn(0ms);
  harness_.loop.turn(0ms);
  EXPECT_THAT(done_, ElementsAre(10, 11, 12));
  EXPECT_TRUE(server_->done);
  EXPECT_EQ(server_->error, StreamError::timed_out);
  EXPECT_FALSE(answered());
}

}  // namespace
}  // namespace sluice::tls
