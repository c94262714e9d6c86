#include "tls/event_loop.h"

#include <gmock/gmock.h>

#include <stdexcept>
#include <thread>

#include "tests/support/io_harness.h"

namespace sluice::tls {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

struct Source final : EventSource {
  void on_events(std::uint32_t what) override {
    ++told;
    events |= what;
    if (action) action();
  }
  int told = 0;
  std::uint32_t events = 0;
  std::function<void()> action;
};

struct Pair {
  Pair() { test::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0, "socketpair"); }
  ~Pair() {
    for (const int end : ends) ::close(end);
  }
  void send() const { ASSERT_EQ(::send(ends[1], "x", 1, MSG_NOSIGNAL), 1); }
  int ends[2];
};

class EventLoopTest : public ::testing::Test {
 protected:
  void settle() {
    for (int i = 0; i < 8; ++i) loop_.turn(0ms);
  }
  EventLoop loop_;
};

TEST_F(EventLoopTest, TellsOfEventsOncePerEdge) {
  Pair pair;
  Source source;
  ASSERT_FALSE(loop_.add(pair.ends[0], EPOLLIN | EPOLLRDHUP | EPOLLET, source));
  settle();
  EXPECT_EQ(source.told, 0);
  pair.send();
  settle();
  EXPECT_EQ(source.told, 1);
  EXPECT_NE(source.events & EPOLLIN, 0u);
  EXPECT_EQ(source.events & EPOLLRDHUP, 0u);
  ::shutdown(pair.ends[1], SHUT_WR);
  settle();
  EXPECT_NE(source.events & EPOLLRDHUP, 0u) << "also behind bytes that nobody has read";
  loop_.forget(source);
}

TEST_F(EventLoopTest, ChangeAddsAndTakesAway) {
  Pair pair;
  Source source;
  ASSERT_FALSE(loop_.add(pair.ends[0], EPOLLIN, source));
  ASSERT_FALSE(loop_.change(pair.ends[0], 0, source));
  pair.send();
  settle();
  EXPECT_EQ(source.told, 0);
  ASSERT_FALSE(loop_.change(pair.ends[0], EPOLLIN, source));
  settle();
  EXPECT_GT(source.told, 0);
}

TEST_F(EventLoopTest, AddSaysWhyNot) {
  Source source;
  EXPECT_EQ(loop_.add(-1, EPOLLIN, source), std::errc::bad_file_descriptor);
}

// Two are ready in the same batch; the first to be told ends the other.
TEST_F(EventLoopTest, WhatIsForgottenIsNotToldOfEventsThatWereFetched) {
  Pair first_pair, second_pair;
  Source first, second;
  first.action = [&] {
    loop_.forget(second);
  };
  second.action = [&] { loop_.forget(first); };
  ASSERT_FALSE(loop_.add(first_pair.ends[0], EPOLLIN | EPOLLET, first));
  ASSERT_FALSE(loop_.add(second_pair.ends[0], EPOLLIN | EPOLLET, second));
  first_pair.send();
  second_pair.send();
  settle();
  EXPECT_EQ(first.told + second.told, 1);
}

TEST_F(EventLoopTest, AnExceptionLosesNoEvent) {
  Pair first_pair, second_pair;
  Source first, second;
  first.action = second.action = [] { throw std::runtime_error("broken"); };
  ASSERT_FALSE(loop_.add(first_pair.ends[0], EPOLLIN | EPOLLET, first));
  ASSERT_FALSE(loop_.add(second_pair.ends[0], EPOLLIN | EPOLLET, second));
  first_pair.send();
  second_pair.send();
  EXPECT_THROW(loop_.turn(0ms), std::runtime_error);
  EXPECT_THROW(loop_.turn(0ms), std::runtime_error);
  EXPECT_EQ(first.told, 1);
  EXPECT_EQ(second.told, 1);
}

// ---- requests for the next turn ------------------------------------------------------------------------------------

struct Request {
  Request(EventLoop& loop, std::vector<int>& order_of_all, int number)
      : turn(
            loop,
            [](void* self) {
              auto& request = *static_cast<Request*>(self);
              request.order.push_back(request.name);
              if (request.action) request.action();
            },
            this),
        order(order_of_all),
        name(number) {}
  NextTurn turn;
  std::vector<int>& order;
  int name;
  std::function<void()> action;
};

TEST_F(EventLoopTest, RequestsRunInOrderAndOnce) {
  std::vector<int> order;
  Request one(loop_, order, 1), two(loop_, order, 2), three(loop_, order, 3);
  two.turn.request();
  one.turn.request();
  two.turn.request();
  three.turn.request();
  one.turn.cancel();
  settle();
  EXPECT_THAT(order, ElementsAre(2, 3));
}

TEST_F(EventLoopTest, WhoAsksAgainHasTheTurnAfterTheNext) {
  std::vector<int> order;
  Request one(loop_, order, 1), two(loop_, order, 2);
  one.action = [&] { one.turn.request(); };
  one.turn.request();
  two.turn.request();
  loop_.turn(0ms);
  EXPECT_THAT(order, ElementsAre(1, 2));
  loop_.turn(0ms);
  EXPECT_THAT(order, ElementsAre(1, 2, 1));
  one.action = nullptr;
}

TEST_F(EventLoopTest, ARequestMayEndTheOthers) {
  std::vector<int> order;
  Request one(loop_, order, 1);
  auto two = std::make_unique<Request>(loop_, order, 2);
  Request three(loop_, order, 3);
  one.action = [&] { two.reset(); };
  one.turn.request();
  two->turn.request();
  three.turn.request();
  settle();
  EXPECT_THAT(order, ElementsAre(1, 3));
}

TEST_F(EventLoopTest, AnExceptionLosesNoRequest) {
  std::vector<int> order;
  Request one(loop_, order, 1), two(loop_, order, 2), three(loop_, order, 3);
  one.action = [] { throw std::runtime_error("broken"); };
  for (Request* request : {&one, &two, &three}) request->turn.request();
  EXPECT_THROW(loop_.turn(0ms), std::runtime_error);
  settle();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST_F(EventLoopTest, ARequestMayOutliveTheLoop) {
  std::vector<int> order;
  auto loop = std::make_unique<EventLoop>();
  Request one(*loop, order, 1);
  one.turn.request();
  loop.reset();
  EXPECT_THAT(order, ElementsAre());
}

// ---- tasks from other threads --------------------------------------------------------------------------------------

TEST_F(EventLoopTest, PostedTasksRunInOrderOnTheLoopsThread) {
  constexpr int kTasks = 10'000;
  std::vector<int> order;
  const std::thread::id here = std::this_thread::get_id();
  bool elsewhere = false;
  std::thread poster([&] {
    for (int i = 0; i < kTasks; ++i) {
      loop_.post([&, i] {
        elsewhere |= std::this_thread::get_id() != here;
        order.push_back(i);
      });
    }
    loop_.post([&] { loop_.finish(); });
  });
  loop_.run();
  poster.join();
  ASSERT_EQ(order.size(), static_cast<std::size_t>(kTasks));
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_FALSE(elsewhere);
}

TEST_F(EventLoopTest, ATaskThatThrowsCostsOnlyItself) {
  int ran = 0;
  loop_.post([] { throw std::runtime_error("broken"); });
  loop_.post([&] { ++ran; });
  EXPECT_THROW(loop_.turn(0ms), std::runtime_error);
  settle();
  EXPECT_EQ(ran, 1);
}

// ---- coroutines and the end ----------------------------------------------------------------------------------------

Awaitable<> take_turns(EventLoop& loop, int times, int& turns) {
  for (; turns < times; ++turns) co_await loop.next_turn();
}

TEST_F(EventLoopTest, NextTurnComesAfterTheOthers) {
  int turns = 0;
  loop_.spawn(take_turns(loop_, 3, turns));
  EXPECT_EQ(turns, 0);
  for (int i = 1; i <= 3; ++i) {
    loop_.turn(0ms);
    EXPECT_EQ(turns, i);
  }
}

TEST_F(EventLoopTest, RunEndsWithTheLastCoroutine) {
  int turns = 0;
  loop_.spawn(take_turns(loop_, 100, turns));
  loop_.finish();
  EXPECT_FALSE(loop_.finished());
  loop_.run();
  EXPECT_EQ(turns, 100);
}

Awaitable<> wait_inside(Waiter& waiter, std::shared_ptr<int> held) {
  const std::shared_ptr<int> local = held;
  co_await waiter.wait();
}

Awaitable<> wait_below(Waiter& waiter, std::shared_ptr<int> held) { co_await wait_inside(waiter, held); }

TEST_F(EventLoopTest, CoroutinesThatStillWaitGoWithTheLoop) {
  const auto held = std::make_shared<int>(0);
  Waiter waiters[2];
  auto loop = std::make_unique<EventLoop>();
  for (Waiter& waiter : waiters) loop->spawn(wait_below(waiter, held));
  EXPECT_GT(held.use_count(), 1);
  loop.reset();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(EventLoopTest, ItsTimeIsThatOfTheTurnNotOfTheSleepBefore) {
  Deadline deadline(loop_.wheel(), [](void*) {}, nullptr);
  deadline.set_after(30ms);
  const Clock::time_point start = Clock::now();
  while (loop_.now() < start + 30ms) loop_.turn(10s);
  EXPECT_LE(loop_.now(), Clock::now());
  const Clock::time_point turn = loop_.now();
  loop_.post([&] { EXPECT_GT(loop_.now(), turn) << "a turn has its own"; });
  loop_.turn(10s);
  EXPECT_GT(loop_.now(), turn);
}

TEST_F(EventLoopTest, SleepsUntilTheNextDeadline) {
  bool fired = false;
  Deadline deadline(loop_.wheel(), [](void* flag) { *static_cast<bool*>(flag) = true; }, &fired);
  const Clock::time_point start = Clock::now();
  deadline.set_after(50ms);
  int turns = 0;
  for (; !fired; ++turns) loop_.turn(10s);
  EXPECT_GE(Clock::now() - start, 50ms);
  EXPECT_LT(turns, 20) << "it does not spin meanwhile";
}

}  // namespace
}  // namespace sluice::tls
