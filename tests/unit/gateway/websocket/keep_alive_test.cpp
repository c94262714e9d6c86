#include "gateway/websocket/keep_alive.h"

#include <gtest/gtest.h>

namespace sluice::websocket {
namespace {

using namespace std::chrono_literals;
using Step = KeepAlive::Step;
using Ping = KeepAlive::Ping;

constexpr Clock::time_point kStart = Clock::time_point(1h);
constexpr PingRule kRule{30s, 10s, true, false};

class KeepAliveTest : public ::testing::Test {
 protected:
  KeepAliveTest() { alive_.begin(kStart); }
  Step step(Clock::time_point now, const SignsOfLife& signs) { return alive_.step(kRule, signs, now); }
  void ask(Ping ping, const SignsOfLife& signs, Clock::time_point now = kStart) {
    ASSERT_EQ(step(now, signs), Step::ask);
    alive_.asked(ping, kRule, signs, now);
    ASSERT_EQ(alive_.due(), now + 10s);
  }
  KeepAlive alive_;
};

TEST_F(KeepAliveTest, NobodyIsAskedUnlessItBegins) { EXPECT_EQ(KeepAlive().due(), KeepAlive::kNever); }

TEST_F(KeepAliveTest, SilenceAfterAPingMeansGone) {
  ask(Ping::ours, {100, 50, true});
  EXPECT_EQ(step(kStart + 10s, {100, 60, true}), Step::gone);
}

TEST_F(KeepAliveTest, ThePongIsAnAnswerAndItsTimeIsTold) {
  ask(Ping::ours, {});
  EXPECT_EQ(alive_.answered(kRule, kStart + 40ms), 40ms);
  EXPECT_EQ(alive_.due(), kStart + 30s);
  EXPECT_EQ(step(kStart + 30s, {}), Step::ask);
}

TEST_F(KeepAliveTest, AnyByteIsASignOfLife) {
  ask(Ping::ours, {100, 0, true});
  EXPECT_EQ(step(kStart + 10s, {101, 0, true}), Step::wait);
  EXPECT_EQ(alive_.due(), kStart + 30s);
}

TEST_F(KeepAliveTest, APongThatComesLateIsMeasuredAndChangesNothingElse) {
  ask(Ping::ours, {100, 0, true});
  EXPECT_EQ(step(kStart + 10s, {101, 0, true}), Step::wait);
  EXPECT_EQ(alive_.answered(kRule, kStart + 12s), 12s);
  EXPECT_EQ(alive_.due(), kStart + 30s);
}

TEST_F(KeepAliveTest, WhoStillTakesWhatLiesBeforeThePingHasTime) {
  ask(Ping::ours, {100, 50, false});
  EXPECT_EQ(step(kStart + 10s, {100, 70, false}), Step::wait);
  EXPECT_EQ(alive_.due(), kStart + 20s);
  EXPECT_EQ(step(kStart + 20s, {100, 70, false}), Step::gone) << "it takes no more";
}

TEST_F(KeepAliveTest, WhoHasTakenAllAndSaysNothingIsGone) {
  ask(Ping::ours, {100, 50, false});
  EXPECT_EQ(step(kStart + 10s, {100, 70, false}), Step::wait);
  EXPECT_EQ(step(kStart + 20s, {100, 90, true}), Step::gone);
}

TEST_F(KeepAliveTest, ABacklogThatIsTakenIsNoAnswerYet) {
  ask(Ping::none, {100, 50, false});
  EXPECT_EQ(step(kStart + 10s, {100, 90, true}), Step::ask) << "it was never asked";
}

TEST_F(KeepAliveTest, ABacklogThatNobodyTakesMeansGone) {
  ask(Ping::none, {100, 50, false});
  EXPECT_EQ(step(kStart + 10s, {100, 50, false}), Step::gone);
}

TEST_F(KeepAliveTest, AnotherOnesPingAsksAsWell) {
  ask(Ping::others, {100, 50, true});
  EXPECT_EQ(step(kStart + 10s, {100, 50, true}), Step::gone);
}

TEST_F(KeepAliveTest, GoneWithinIntervalAndTimeout) {
  // The last byte comes right after a Ping.
  ask(Ping::ours, {100, 0, true});
  const SignsOfLife last{101, 0, true};
  ASSERT_EQ(step(alive_.due(), last), Step::wait);
  ask(Ping::ours, last, alive_.due());
  EXPECT_EQ(step(alive_.due(), last), Step::gone);
  EXPECT_EQ(alive_.due(), kStart + 40s);
}

TEST_F(KeepAliveTest, CanBePostponed) {
  ASSERT_EQ(step(kStart, {}), Step::ask);
  alive_.postpone(kRule, kStart);
  EXPECT_EQ(alive_.due(), kStart + 10s);
  EXPECT_EQ(step(kStart + 10s, {}), Step::ask);
}

}  // namespace
}  // namespace sluice::websocket
