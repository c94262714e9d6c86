#include "upstream/full_endpoints.h"

#include <gmock/gmock.h>

namespace sluice::upstream {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FullEndpointsTest : public ::testing::Test {
 protected:
  FullEndpointsTest() {
    settings_.name = "app";
    settings_.endpoints.resize(2);
    settings_.endpoints[0].url = "http://127.0.0.1:1";
    settings_.endpoints[1].url = "http://127.0.0.1:2";
    settings_.circuit_breaker.max_connections = 2;
    for (const config::Endpoint& one : settings_.endpoints) states_.push_back(endpoints_.state_of("app", one));
    full_.watch({settings_});
  }
  std::string told(const std::string& bound) const {
    const std::string text = registry_.scrape();
    const std::string name = "\nsluice_upstream_endpoints_full{bound=\"" + bound + "\",upstream=\"app\"} ";
    const std::size_t at = text.find(name);
    return at == std::string::npos ? "absent" : text.substr(at + name.size(), text.find('\n', at + 1) - at - name.size());
  }

  metrics::Registry registry_{1};
  EndpointRegistry endpoints_;
  config::Upstream settings_;
  std::vector<std::shared_ptr<EndpointState>> states_;
  FullEndpoints full_{registry_, endpoints_};
};

TEST_F(FullEndpointsTest, TellsHowManyHaveReachedABound) {
  EXPECT_EQ(told("max_connections"), "0");
  states_[0]->connections = 1;
  EXPECT_EQ(told("max_connections"), "0");
  states_[0]->connections = 2;
  states_[1]->connections = 3;  // the bound was moved meanwhile
  states_[1]->pending = 1024;
  EXPECT_EQ(told("max_connections"), "2");
  EXPECT_EQ(told("max_pending"), "1");
  EXPECT_EQ(told("max_retries"), "0");
  EXPECT_THAT(reached_bounds(*states_[0], settings_), ElementsAre("max_connections"));
  EXPECT_THAT(reached_bounds(*states_[1], settings_), ElementsAre("max_connections", "max_pending"));
}

TEST_F(FullEndpointsTest, ABoundThatIsOffIsNeverReached) {
  states_[0]->connections = 1'000'000;
  states_[0]->repeats = 1'000'000;  // retries.budget bounds those
  settings_.circuit_breaker.max_connections = std::nullopt;
  full_.watch({settings_});
  EXPECT_EQ(told("max_connections"), "0");
  EXPECT_THAT(reached_bounds(*states_[0], settings_), IsEmpty());
  settings_.retries.budget = std::nullopt;
  EXPECT_THAT(reached_bounds(*states_[0], settings_), ElementsAre("max_retries"));
}

TEST_F(FullEndpointsTest, AnUpstreamThatIsGoneIsToldAsZero) {
  states_[0]->connections = 2;
  EXPECT_EQ(told("max_connections"), "1");
  full_.watch({});
  EXPECT_EQ(told("max_connections"), "0");
}

TEST_F(FullEndpointsTest, KeepsNoStateAlive) {
  const std::weak_ptr<EndpointState> watched = states_[0];
  states_.clear();
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(told("max_connections"), "0");
}

}  // namespace
}  // namespace sluice::upstream
