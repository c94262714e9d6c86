#include "upstream/health_check.h"

#include <gmock/gmock.h>

#include "tests/support/io_harness.h"
#include "upstream/resolver.h"

namespace sluice::upstream {
namespace {

using namespace std::chrono_literals;
using test::IoHarness;
using test::Peer;
using test::TcpListener;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Says what the backend said.
Awaitable<std::string> echo_probe(tls::Stream& stream, const config::HealthCheck&, const config::Endpoint&, bool) {
  for (;;) {
    char bytes[64];
    const tls::ReadResult read = stream.read_some(bytes, sizeof bytes);
    if (!read.error) co_return std::string(bytes, read.size == 2 ? 0 : read.size);  // "ok" is no problem
    if (read.error != tls::StreamError::would_block) co_return std::string("closed");
    co_await stream.wait_readable();
  }
}

class HealthCheckTest : public ::testing::Test {
 protected:
  HealthCheckTest() {
    settings_.interval = 50ms;
    settings_.timeout = 10s;
  }

  std::unique_ptr<HealthCheck> check(std::uint16_t port, bool with_addresses = true) {
    config::Endpoint endpoint;
    endpoint.host = "127.0.0.1";
    endpoint.port = port;
    auto made = std::make_unique<HealthCheck>(CheckTools{harness_.io, &echo_probe, nullptr}, settings_, endpoint,
                                              [this](const std::string& problem) { told_.push_back(problem); });
    if (with_addresses) {
      const auto addresses = Resolver::parse_literal({"127.0.0.1", port});
      made->set_addresses("127.0.0.1", port, std::make_shared<const Addresses>(*addresses));
    }
    return made;
  }
  // Lets the loop go on until a check has connected.
  Peer next_peer(TcpListener& listener) {
    EXPECT_TRUE(harness_.run_until([&] { return listener.has_connection(); }));
    return listener.accept();
  }
  bool wait_for(std::size_t count) {
    return harness_.run_until([this, count] { return told_.size() >= count; });
  }

  IoHarness harness_;
  config::HealthCheck settings_;
  std::vector<std::string> told_;
};

TEST_F(HealthCheckTest, AsksAgainAndAgainOverConnectionsOfItsOwn) {
  TcpListener listener;
  const auto checked = check(listener.port());
  checked->start(false);
  for (std::size_t i = 0; i < 3; ++i) {
    Peer peer = next_peer(listener);
    peer.send(i == 1 ? "no!" : "ok");
    ASSERT_TRUE(wait_for(i + 1));
    EXPECT_EQ(told_[i], i == 1 ? "no!" : "");
    EXPECT_TRUE(harness_.run_until([&] { return peer.ended(); }));
  }
}

TEST_F(HealthCheckTest, WhoeverSaysNothingHasNotAnsweredInTime) {
  settings_.timeout = 60ms;
  TcpListener listener;
  const auto checked = check(listener.port());
  checked->start(false);
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(told_[0], "no answer in 60ms");
  EXPECT_EQ(told_[1], "no answer in 60ms");
}

TEST_F(HealthCheckTest, TellsWhyNoConnectionIsMade) {
  std::uint16_t port = 0;
  { port = TcpListener().port(); }
  const auto refused = check(port);
  refused->start(false);
  ASSERT_TRUE(wait_for(1));
  EXPECT_THAT(told_[0], StartsWith("connect_refused"));
  const auto nowhere = check(port, false);
  nowhere->start(false);
  const std::size_t before = told_.size();
  ASSERT_TRUE(wait_for(before + 2));
  EXPECT_THAT(told_, ::testing::Contains(HasSubstr("no address")));
}

TEST_F(HealthCheckTest, OfKindTcpAConnectionIsEnough) {
  settings_.kind = config::CheckKind::tcp;
  TcpListener listener;
  const auto checked = check(listener.port());
  checked->start(false);
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(told_[0], "");
}

TEST_F(HealthCheckTest, OneThatEndsMeanwhileTellsNothing) {
  TcpListener listener;
  auto checked = check(listener.port());
  checked->start(false);
  Peer peer = next_peer(listener);
  checked.reset();
  EXPECT_TRUE(harness_.run_until([&] { return peer.ended(); }));
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace sluice::upstream
