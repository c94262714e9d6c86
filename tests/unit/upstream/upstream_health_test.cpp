#include "upstream/upstream_health.h"

#include <gmock/gmock.h>

#include "tests/support/io_harness.h"
#include "tls/waiter.h"
#include "upstream/resolver.h"

namespace sluice::upstream {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class UpstreamHealthTest : public ::testing::Test {
 protected:
  UpstreamHealthTest() {
    watched_.settings.name = "app";
    watched_.settings.outlier.eject_for = 50ms;
  }

  void add_endpoints(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      config::Endpoint& endpoint = watched_.settings.endpoints.emplace_back();
      endpoint.url = "http://10.0.0." + std::to_string(watched_.states.size() + 1);
      endpoint.host = "endpoint";
      endpoint.port = static_cast<std::uint16_t>(watched_.states.size());
      watched_.states.push_back(std::make_shared<EndpointState>());
    }
  }
  std::unique_ptr<UpstreamHealth> make(UpstreamHealth* before = nullptr) {
    return std::make_unique<UpstreamHealth>(
        harness_.io, watched_, metrics_,
        [this](const HealthChange& change) {
          EXPECT_EQ(change.state->out, change.out);
          if (out_of_memory_ > 0) {
            --out_of_memory_;
            throw std::bad_alloc();
          }
          told_.push_back((change.out ? "out " : "in ") + std::to_string(number_of(change.state.get())) +
                          (change.tunnels_leave ? ", tunnels leave" : ""));
        },
        before);
  }
  std::size_t number_of(const EndpointState* state) const {
    for (std::size_t i = 0; i < known_.size(); ++i) {
      if (known_[i].get() == state) return i;
    }
    ADD_FAILURE() << "unknown state";
    return 0;
  }
  std::vector<std::string> told() { return std::exchange(told_, {}); }
  bool wait_for(const std::string& what) {
    return harness_.run_until([&] { return std::find(told_.begin(), told_.end(), what) != told_.end(); });
  }
  void remember() { known_ = watched_.states; }

  // Endpoints listen, and answer as well_ says.
  void start_checks(UpstreamHealth& health) {
    wells = &well_;
    health.start_checks(
        [](tls::Stream&, const config::HealthCheck&, const config::Endpoint& endpoint, bool) { return answer(endpoint.url); });
    for (std::size_t i = 0; i < known_.size(); ++i) {
      const auto addresses = Resolver::parse_literal({"127.0.0.1", listener_.port()});
      health.set_addresses("endpoint", static_cast<std::uint16_t>(i), std::make_shared<const Addresses>(*addresses));
    }
  }
  static Awaitable<std::string> answer(std::string url) {
    const std::size_t number = static_cast<std::size_t>(url.back() - '1');
    co_return wells->at(number) ? "" : "ill";
  }

  static inline std::vector<bool>* wells = nullptr;
  std::vector<bool> well_;
  test::TcpListener listener_{1000};
  test::IoHarness harness_;
  WatchedUpstream watched_;
  metrics::HealthMetrics metrics_{harness_.registry, "app"};
  std::vector<std::shared_ptr<EndpointState>> known_;
  std::vector<std::string> told_;
  int out_of_memory_ = 0;  // how often telling fails
};

TEST_F(UpstreamHealthTest, AFailingEndpointIsOutForAWhileAndThenOnProbation) {
  add_endpoints(3);
  remember();
  const auto health = make();
  EXPECT_EQ(metrics_.healthy.value(), 3);
  known_[1]->failures = 5;
  health->failing(known_[1].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 1"));
  EXPECT_EQ(metrics_.ejections.value(), 1u);
  EXPECT_EQ(metrics_.healthy.value(), 2);
  EXPECT_EQ(metrics_.ejected.value(), 1);
  health->failing(known_[1].get(), "reset");
  EXPECT_THAT(told(), IsEmpty()) << "it is out already";
  EXPECT_TRUE(wait_for("in 1"));
  EXPECT_EQ(known_[1]->failures, 4u) << "one more failure ejects it again";
  EXPECT_EQ(metrics_.ejected.value(), 0);
}

TEST_F(UpstreamHealthTest, NoMoreThanTheShareAreEjected) {
  add_endpoints(5);
  remember();
  watched_.settings.outlier.eject_for = 1h;
  const auto health = make();
  for (std::size_t i = 0; i < 4; ++i) {
    known_[i]->failures = 5;
    health->failing(known_[i].get(), "reset");
  }
  EXPECT_THAT(told(), ElementsAre("out 0", "out 1")) << "50% of 5, rounded down";
  EXPECT_EQ(known_[3]->failures, 0u) << "its next row of failures is told again";
  EXPECT_EQ(metrics_.panic.value(), 0);
}

TEST_F(UpstreamHealthTest, OneOfTwoMayBeEjectedWhateverTheShareAndNeverTheOnlyOne) {
  watched_.settings.outlier.max_ejected = 1;
  add_endpoints(1);
  remember();
  make()->failing(known_[0].get(), "reset");
  EXPECT_THAT(told(), IsEmpty());
  add_endpoints(1);
  remember();
  const auto health = make();
  health->failing(known_[0].get(), "reset");
  health->failing(known_[1].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 0"));
}

TEST_F(UpstreamHealthTest, TunnelsLeaveWhereThatIsAskedFor) {
  watched_.settings.on_unhealthy = config::OnUnhealthy::close;
  add_endpoints(2);
  remember();
  const auto health = make();
  health->failing(known_[0].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 0, tunnels leave"));
  EXPECT_TRUE(wait_for("in 0"));
}

TEST_F(UpstreamHealthTest, WhenAllAreOutItIsAPanicUntilOneIsBack) {
  watched_.settings.outlier.max_ejected = 100;
  add_endpoints(2);
  remember();
  const auto health = make();
  health->failing(known_[0].get(), "reset");
  EXPECT_EQ(metrics_.panic.value(), 0);
  health->failing(known_[1].get(), "reset");
  EXPECT_EQ(metrics_.panic.value(), 1);
  EXPECT_TRUE(wait_for("in 0"));
  EXPECT_EQ(metrics_.panic.value(), 0);
}

TEST_F(UpstreamHealthTest, ChecksDecideAtFirstAndThenInRows) {
  watched_.settings.health_check.emplace();
  watched_.settings.health_check->interval = 50ms;
  watched_.settings.health_check->healthy_after = 2;
  watched_.settings.health_check->unhealthy_after = 3;
  add_endpoints(2);
  remember();
  well_ = {true, false};
  const auto health = make();
  start_checks(*health);
  ASSERT_TRUE(wait_for("out 1"));
  EXPECT_EQ(metrics_.checks_failed.value(), 1u) << "the first check decides";
  ASSERT_TRUE(harness_.run_until([&] { return metrics_.checks_passed.value() >= 1; })) << "and of the other one as well";
  EXPECT_EQ(metrics_.unhealthy.value(), 1);
  EXPECT_EQ(metrics_.healthy.value(), 1);
  ASSERT_TRUE(harness_.run_until([&] { return metrics_.checks_passed.value() > 0; }));  // the other one's first
  well_ = {false, true};
  ASSERT_TRUE(wait_for("in 1"));
  ASSERT_TRUE(wait_for("out 0"));
  EXPECT_GE(metrics_.checks_failed.value(), 4u) << "three of the other one";
  EXPECT_GE(metrics_.checks_passed.value(), 2u);
  EXPECT_EQ(metrics_.unhealthy.value(), 1);

  watched_.settings.health_check.reset();
  make(health.get());
  EXPECT_EQ(told_.back(), "in 0") << "nobody checks any more";
}

TEST_F(UpstreamHealthTest, AnEjectionLeavesTheLastHealthyEndpointAlone) {
  watched_.settings.health_check.emplace();
  watched_.settings.outlier.max_ejected = 60;
  add_endpoints(2);
  remember();
  well_ = {true, false};
  const auto health = make();
  start_checks(*health);
  ASSERT_TRUE(wait_for("out 1"));
  ASSERT_TRUE(harness_.run_until([&] { return metrics_.checks_passed.value() > 0; }));
  health->failing(known_[0].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 1"));
}

TEST_F(UpstreamHealthTest, BothReasonsAreShownForAsLongAsEachHolds) {
  watched_.settings.health_check.emplace();
  watched_.settings.outlier.eject_for = 300ms;
  watched_.settings.outlier.max_ejected = 100;
  add_endpoints(3);
  remember();
  well_ = {false, true, true};
  const auto health = make();
  start_checks(*health);
  ASSERT_TRUE(wait_for("out 0"));
  EXPECT_EQ(known_[0]->reason(), "unhealthy: ill");
  health->failing(known_[0].get(), "reset");
  EXPECT_THAT(known_[0]->reason(), ::testing::MatchesRegex("unhealthy: ill; ejected until [0-9]+-[0-9]+-[0-9]+T[0-9:.]+Z: reset"));
  EXPECT_TRUE(harness_.run_until([&] { return known_[0]->reason() == "unhealthy: ill"; }));
}

TEST_F(UpstreamHealthTest, WhatMemoryDidNotSufficeForIsDoneTheNextTime) {
  add_endpoints(3);
  remember();
  const auto health = make();
  out_of_memory_ = 1;
  known_[0]->failures = 5;
  EXPECT_THROW(health->failing(known_[0].get(), "reset"), std::bad_alloc);
  EXPECT_FALSE(known_[0]->out);
  EXPECT_EQ(known_[0]->failures, 0u) << "its next row of failures is told again";
  EXPECT_EQ(metrics_.ejections.value(), 0u);
  health->failing(known_[0].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 0"));
  out_of_memory_ = 1;
  EXPECT_THROW(wait_for("in 0"), std::bad_alloc);
  EXPECT_TRUE(known_[0]->out);
  EXPECT_TRUE(wait_for("in 0")) << "its ejection ends a little later";
}

TEST_F(UpstreamHealthTest, ACheckThatCannotBeToldOfIsFollowedByOthers) {
  watched_.settings.health_check.emplace();
  watched_.settings.health_check->interval = 50ms;
  watched_.settings.health_check->unhealthy_after = 1;
  add_endpoints(2);
  remember();
  well_ = {false, true};
  auto health = make();
  out_of_memory_ = 1;
  start_checks(*health);
  ASSERT_TRUE(wait_for("out 0"));
  EXPECT_EQ(metrics_.unhealthy.value(), 1);
  out_of_memory_ = 1;
  health.reset();
  EXPECT_FALSE(known_[0]->out);
}

// A URL that is listed twice has one state.
TEST_F(UpstreamHealthTest, AnEndpointThatIsListedTwiceIsOne) {
  add_endpoints(2);
  remember();
  watched_.settings.endpoints.push_back(watched_.settings.endpoints[0]);
  watched_.states.push_back(watched_.states[0]);
  const auto health = make();
  EXPECT_EQ(metrics_.healthy.value(), 2);
  health->failing(known_[0].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 0"));
}

TEST_F(UpstreamHealthTest, WhatIsKnownOutlivesOtherSettings) {
  add_endpoints(3);
  remember();
  watched_.settings.outlier.eject_for = 100ms;
  auto before = make();
  before->failing(known_[0].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 0"));
  watched_.settings.outlier.consecutive_failures = 2;
  add_endpoints(1);
  auto after = make(before.get());
  before.reset();
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(metrics_.ejected.value(), 1);
  EXPECT_EQ(metrics_.healthy.value(), 3);
  EXPECT_TRUE(wait_for("in 0"));
  EXPECT_EQ(known_[0]->failures, 1u);
}

TEST_F(UpstreamHealthTest, TunnelsLeaveAnEndpointThatIsOutWhenThatBecomesTheRule) {
  add_endpoints(2);
  remember();
  watched_.settings.outlier.eject_for = 1h;
  auto before = make();
  before->failing(known_[0].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 0"));
  watched_.settings.on_unhealthy = config::OnUnhealthy::close;
  auto closes = make(before.get());
  before.reset();
  EXPECT_THAT(told(), ElementsAre("out 0, tunnels leave"));
  watched_.settings.outlier.max_ejected = 60;
  const auto again = make(closes.get());
  closes.reset();
  EXPECT_THAT(told(), IsEmpty()) << "it was the rule already";
}

TEST_F(UpstreamHealthTest, WithoutTheRuleAndWithoutTheUpstreamNothingStaysOut) {
  add_endpoints(2);
  remember();
  watched_.settings.outlier.eject_for = 1h;
  auto before = make();
  before->failing(known_[0].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 0"));
  watched_.settings.outlier.consecutive_failures.reset();
  auto after = make(before.get());
  before.reset();
  EXPECT_THAT(told(), ElementsAre("in 0"));

  watched_.settings.outlier.consecutive_failures = 5;
  auto again = make(after.get());
  after.reset();
  again->failing(known_[1].get(), "reset");
  EXPECT_THAT(told(), ElementsAre("out 1"));
  again->retire();
  again.reset();
  EXPECT_THAT(told(), ElementsAre("in 1"));
  EXPECT_EQ(metrics_.ejected.value() + metrics_.healthy.value(), 0);
}

// Otherwise none would ever come to an end where endpoints come and go more often than they are asked.
TEST_F(UpstreamHealthTest, ACheckThatIsUnderWayGoesOnWhenAnotherEndpointJoins) {
  struct Asked {
    tls::Waiter answer;
    int times = 0;
    static Awaitable<std::string> ask(Asked* asked) {
      ++asked->times;
      co_await asked->answer.wait();
      co_return "";
    }
  };
  static Asked* asked = nullptr;
  Asked one;
  asked = &one;
  const HttpProbe probe = [](tls::Stream&, const config::HealthCheck&, const config::Endpoint&, bool) { return Asked::ask(asked); };
  watched_.settings.health_check = config::HealthCheck{.path = "/", .interval = 1h, .timeout = 1h};
  watched_.tls_unchanged = true;
  add_endpoints(1);
  remember();
  auto before = make();
  before->start_checks(probe);
  const auto addresses = Resolver::parse_literal({"127.0.0.1", listener_.port()});
  before->set_addresses("endpoint", 0, std::make_shared<const Addresses>(*addresses));
  ASSERT_TRUE(harness_.run_until([&] { return one.times == 1; }));
  add_endpoints(1);
  const auto after = make(before.get());
  after->start_checks(probe);
  before.reset();
  one.answer.wake();
  EXPECT_TRUE(harness_.run_until([&] { return metrics_.checks_passed.value() == 1; }));
  EXPECT_EQ(one.times, 1);
}

}  // namespace
}  // namespace sluice::upstream
