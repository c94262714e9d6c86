#include "tls/deadline.h"

#include <gmock/gmock.h>

#include <functional>

#include "tests/support/io_harness.h"

namespace sluice::tls {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using test::IoHarness;

// A deadline that notes when it was reached, and does what the test says then.
struct Alarm {
  explicit Alarm(TimerWheel& wheel) : deadline(wheel, &Alarm::on_expire, this) {}
  static void on_expire(void* context) {
    auto& alarm = *static_cast<Alarm*>(context);
    ++alarm.fired;
    alarm.at = Clock::now();
    if (alarm.action) alarm.action();
  }
  Deadline deadline;
  int fired = 0;
  Clock::time_point at{};
  std::function<void()> action;
};

class DeadlineTest : public ::testing::Test {
 protected:
  // Until well behind `time` from now.
  void run_past(milliseconds time) { harness_.run_for(time + 4 * TimerWheel::kTick); }

  IoHarness harness_;
  TimerWheel& wheel_ = harness_.io.wheel;
};

TEST_F(DeadlineTest, FiresOnceAndNeverEarly) {
  for (const milliseconds delay : {0ms, 1ms, 19ms, 20ms, 21ms, 40ms, 75ms}) {
    Alarm alarm(wheel_);
    const Clock::time_point start = Clock::now();
    alarm.deadline.set_after(delay);
    EXPECT_TRUE(alarm.deadline.is_set());
    ASSERT_TRUE(harness_.run_until([&] { return alarm.fired > 0; }));
    EXPECT_GE(alarm.at - start, delay);
    EXPECT_FALSE(alarm.deadline.is_set());
    run_past(0ms);
    EXPECT_EQ(alarm.fired, 1) << delay.count();
  }
}

TEST_F(DeadlineTest, FiresSoonAfterItsTime) {
  Alarm alarm(wheel_);
  const Clock::time_point start = Clock::now();
  alarm.deadline.set_after(50ms);
  ASSERT_TRUE(harness_.run_until([&] { return alarm.fired > 0; }));
  // Two ticks by design; the rest is for a busy machine.
  EXPECT_LT(alarm.at - start, 50ms + 2 * TimerWheel::kTick + 2s);
}

TEST_F(DeadlineTest, MovedLaterFiresAtTheLaterTimeOnly) {
  Alarm alarm(wheel_);
  alarm.deadline.set_after(40ms);
  harness_.run_for(20ms);
  const Clock::time_point moved = Clock::now();
  alarm.deadline.set_after(150ms);
  ASSERT_TRUE(harness_.run_until([&] { return alarm.fired > 0; }));
  EXPECT_GE(alarm.at - moved, 150ms);
  run_past(0ms);
  EXPECT_EQ(alarm.fired, 1);
}

TEST_F(DeadlineTest, MovedEarlierFiresAtTheEarlierTime) {
  Alarm alarm(wheel_);
  alarm.deadline.set_after(milliseconds(10min));
  const Clock::time_point moved = Clock::now();
  alarm.deadline.set_after(30ms);
  ASSERT_TRUE(harness_.run_until([&] { return alarm.fired > 0; }));
  EXPECT_GE(alarm.at - moved, 30ms);
  EXPECT_LT(alarm.at - moved, 5s);
}

TEST_F(DeadlineTest, LaterAndThenEarlierAgain) {
  Alarm alarm(wheel_);
  alarm.deadline.set_after(60ms);
  alarm.deadline.set_after(milliseconds(5min));
  const Clock::time_point moved = Clock::now();
  alarm.deadline.set_after(40ms);
  ASSERT_TRUE(harness_.run_until([&] { return alarm.fired > 0; }));
  EXPECT_GE(alarm.at - moved, 40ms);
}

TEST_F(DeadlineTest, ANearDeadlineDoesNotWaitForAFarOne) {
  Alarm far(wheel_);
  Alarm near(wheel_);
  far.deadline.set_after(milliseconds(10min));
  near.deadline.set_after(30ms);
  ASSERT_TRUE(harness_.run_until([&] { return near.fired > 0; }));
  EXPECT_EQ(far.fired, 0);
  EXPECT_TRUE(far.deadline.is_set());
}

TEST_F(DeadlineTest, ClearedDoesNotFireAndCanBeSetAgain) {
  Alarm alarm(wheel_);
  alarm.deadline.set_after(30ms);
  alarm.deadline.clear();
  EXPECT_FALSE(alarm.deadline.is_set());
  run_past(30ms);
  EXPECT_EQ(alarm.fired, 0);
  alarm.deadline.set_after(std::optional<milliseconds>(20ms));
  ASSERT_TRUE(harness_.run_until([&] { return alarm.fired > 0; }));
}

TEST_F(DeadlineTest, NoLimitClears) {
  Alarm alarm(wheel_);
  alarm.deadline.set_after(30ms);
  alarm.deadline.set_after(std::optional<milliseconds>());
  EXPECT_FALSE(alarm.deadline.is_set());
  run_past(30ms);
  EXPECT_EQ(alarm.fired, 0);
}

TEST_F(DeadlineTest, DestroyedDoesNotFire) {
  auto alarm = std::make_unique<Alarm>(wheel_);
  bool fired = false;
  alarm->action = [&fired] { fired = true; };
  alarm->deadline.set_after(20ms);
  alarm.reset();
  run_past(20ms);
  EXPECT_FALSE(fired);
}

TEST_F(DeadlineTest, MayBeDestroyedByItsOwnCallback) {
  auto alarm = std::make_unique<Alarm>(wheel_);
  bool fired = false;
  alarm->action = [&] {
    fired = true;
    auto held = std::move(alarm->action);  // it must outlive its own alarm
    alarm.reset();
  };
  alarm->deadline.set_after(20ms);
  ASSERT_TRUE(harness_.run_until([&] { return fired; }));
  EXPECT_EQ(alarm, nullptr);
}

// Those of the same tick hang in one list: whoever fires first takes all others away.
TEST_F(DeadlineTest, ACallbackMayDestroyItsNeighbours) {
  std::vector<std::unique_ptr<Alarm>> alarms(8);
  int fired = 0;
  for (auto& alarm : alarms) {
    alarm = std::make_unique<Alarm>(wheel_);
    alarm->action = [&alarms, &fired, self = alarm.get()] {
      ++fired;
      for (auto& other : alarms) {
        if (other.get() != self) other.reset();
      }
    };
    alarm->deadline.set_after(30ms);
  }
  run_past(30ms);
  EXPECT_EQ(fired, 1);
}

TEST_F(DeadlineTest, ACallbackMayClearItsNeighbours) {
  Alarm first(wheel_);
  Alarm second(wheel_);
  first.action = [&] { second.deadline.clear(); };
  second.action = [&] { first.deadline.clear(); };
  first.deadline.set_after(30ms);
  second.deadline.set_after(30ms);
  run_past(30ms);
  EXPECT_EQ(first.fired + second.fired, 1);
}

TEST_F(DeadlineTest, MayBeSetAgainByItsOwnCallback) {
  Alarm alarm(wheel_);
  Clock::time_point set_at = Clock::now();
  alarm.action = [&] {
    EXPECT_GE(Clock::now() - set_at, 25ms);
    set_at = Clock::now();
    if (alarm.fired < 4) alarm.deadline.set_after(25ms);
  };
  alarm.deadline.set_after(25ms);
  ASSERT_TRUE(harness_.run_until([&] { return alarm.fired == 4; }));
  run_past(25ms);
  EXPECT_EQ(alarm.fired, 4);
}

TEST_F(DeadlineTest, SetAgainWithoutDelayWaitsForTheNextTick) {
  Alarm alarm(wheel_);
  alarm.action = [&] {
    if (alarm.fired < 3) alarm.deadline.set_after(0ms);
  };
  alarm.deadline.set_after(0ms);
  ASSERT_TRUE(harness_.run_until([&] { return alarm.fired == 3; }));
}

TEST_F(DeadlineTest, ManyFireEachAtItsTime) {
  constexpr std::size_t kMany = 3000;
  std::vector<std::unique_ptr<Alarm>> alarms;
  std::vector<Clock::time_point> due;
  std::size_t fired = 0;
  for (std::size_t i = 0; i < kMany; ++i) {
    const milliseconds delay((i * 7919) % 300);
    alarms.push_back(std::make_unique<Alarm>(wheel_));
    alarms.back()->action = [&fired] { ++fired; };
    due.push_back(Clock::now() + delay);
    alarms.back()->deadline.set_after(delay);
  }
  for (std::size_t i = 0; i < kMany; i += 3) alarms[i]->deadline.clear();
  ASSERT_TRUE(harness_.run_until([&] { return fired == kMany - kMany / 3; }));
  run_past(0ms);
  for (std::size_t i = 0; i < kMany; ++i) {
    if (i % 3 == 0) {
      EXPECT_EQ(alarms[i]->fired, 0);
    } else {
      EXPECT_EQ(alarms[i]->fired, 1);
      EXPECT_GE(alarms[i]->at, due[i]);
    }
  }
}

// Further away than the wheel has slots (20 s): it shares slots with nearer ones and must not fire with them.
TEST_F(DeadlineTest, OneOverATurnAwayDoesNotFireWithItsSlot) {
  std::vector<std::unique_ptr<Alarm>> far;
  for (int i = 0; i < 20; ++i) {
    far.push_back(std::make_unique<Alarm>(wheel_));
    far.back()->deadline.set_after(milliseconds(20480 + 20 * i));
  }
  Alarm near(wheel_);
  near.deadline.set_after(100ms);
  ASSERT_TRUE(harness_.run_until([&] { return near.fired > 0; }));
  run_past(100ms);
  for (const auto& alarm : far) EXPECT_EQ(alarm->fired, 0);
}

// The loop stood still for longer than the delays: all of them fire at once, none is lost.
TEST_F(DeadlineTest, NothingIsLostWhenTheLoopStandsStill) {
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 10; ++i) {
    alarms.push_back(std::make_unique<Alarm>(wheel_));
    alarms.back()->deadline.set_after(milliseconds(10 * i));
  }
  const Clock::time_point until = Clock::now() + 200ms;
  while (Clock::now() < until) {
  }
  Alarm late(wheel_);
  const Clock::time_point set_at = Clock::now();
  late.deadline.set_after(50ms);
  ASSERT_TRUE(harness_.run_until([&] { return late.fired > 0; }));
  EXPECT_GE(late.at - set_at, 50ms);
  for (const auto& alarm : alarms) EXPECT_EQ(alarm->fired, 1);
}

TEST_F(DeadlineTest, AWheelWithoutDeadlinesStartsAgain) {
  for (int i = 0; i < 3; ++i) {
    Alarm alarm(wheel_);
    alarm.deadline.set_after(10ms);
    ASSERT_TRUE(harness_.run_until([&] { return alarm.fired == 1; }));
    harness_.run_for(60ms);  // empty for some ticks
  }
}

TEST_F(DeadlineTest, NothingFiresAfterStop) {
  TimerWheel wheel;
  Alarm alarm(wheel);
  alarm.deadline.set_after(1ms);
  wheel.stop();
  EXPECT_EQ(wheel.wakes_at(), Clock::time_point::max()) << "nothing is left to wait for";
  wheel.run(Clock::now() + 1min);
  alarm.deadline.set_after(1ms);
  EXPECT_EQ(wheel.wakes_at(), Clock::time_point::max());
  wheel.run(Clock::now() + 1min);
  EXPECT_EQ(alarm.fired, 0);
}

TEST_F(DeadlineTest, NothingFiresAfterStopEvenInTheSameTick) {
  TimerWheel wheel;
  Alarm first(wheel);
  Alarm second(wheel);
  first.action = second.action = [&wheel] { wheel.stop(); };
  first.deadline.set_after(30ms);
  second.deadline.set_after(30ms);
  wheel.run(Clock::now() + 200ms);
  EXPECT_EQ(first.fired + second.fired, 1);
}

TEST_F(DeadlineTest, OneThatThrowsTakesNoOtherAlong) {
  TimerWheel wheel;
  Alarm alarms[] = {Alarm(wheel), Alarm(wheel), Alarm(wheel)};
  for (Alarm& alarm : alarms) {
    alarm.action = [] { throw std::bad_alloc(); };
    alarm.deadline.set_after(30ms);
  }
  for (int tick = 0; tick < 3; ++tick) EXPECT_THROW(wheel.run(Clock::now() + 200ms + tick * 20ms), std::bad_alloc);
  for (const Alarm& alarm : alarms) EXPECT_EQ(alarm.fired, 1);
  wheel.run(Clock::now() + 400ms);
}

TEST_F(DeadlineTest, ADeadlineMayOutliveItsWheel) {
  auto wheel = std::make_unique<TimerWheel>();
  Alarm alarm(*wheel);
  alarm.deadline.set_after(20ms);
  wheel.reset();
  run_past(20ms);
  EXPECT_EQ(alarm.fired, 0);
}

}  // namespace
}  // namespace sluice::tls
