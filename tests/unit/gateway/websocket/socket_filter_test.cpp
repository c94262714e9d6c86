#include "gateway/websocket/socket_filter.h"

#include <gtest/gtest.h>

#include "config/address.h"

namespace sluice::websocket {
namespace {

using namespace std::chrono_literals;
using Text = SocketIdentity::Text;

SocketFacts facts_of(std::string_view client) {
  SocketIdentity::Texts texts;
  texts[static_cast<std::size_t>(Text::client_ip)] = client;
  texts[static_cast<std::size_t>(Text::route)] = "chat";
  texts[static_cast<std::size_t>(Text::endpoint)] = "http://10.0.0.1:8000";
  SocketFacts facts;
  facts.identity = std::make_shared<SocketIdentity>(SocketId::make(), std::chrono::system_clock::now(), texts);
  facts.age = 1h;
  facts.idle = 5min;
  facts.to_client.per_second = 100.5;
  return facts;
}

TEST(SocketIdentity, KeepsTextsInOneBlock) {
  SocketIdentity::Texts texts;
  texts[static_cast<std::size_t>(Text::client_ip)] = "192.0.2.1";
  texts[static_cast<std::size_t>(Text::target)] = "/room?token=***";
  texts[static_cast<std::size_t>(Text::endpoint)] = "http://10.0.0.1:8000";
  const SocketIdentity identity(SocketId::make(), {}, texts);
  for (std::size_t i = 0; i < SocketIdentity::kTexts; ++i) EXPECT_EQ(identity[static_cast<Text>(i)], texts[i]) << i;
}

TEST(SocketIdentity, IsBoundedWhateverItGets) {
  const std::string much(40'000, 'x');
  SocketIdentity::Texts texts;
  texts.fill(much);
  const SocketIdentity identity(SocketId::make(), {}, texts);
  EXPECT_EQ(identity[Text::client_ip], much);
  EXPECT_EQ(identity[Text::listener].size(), 65535u - 40'000);
  EXPECT_EQ(identity[Text::endpoint], "");
}

TEST(SocketFilter, AnEmptyOneMatchesAll) {
  EXPECT_TRUE(SocketFilter().empty());
  EXPECT_TRUE(SocketFilter().matches(facts_of("192.0.2.1")));
}

TEST(SocketFilter, EachPartHasToHold) {
  const SocketFacts facts = facts_of("192.0.2.1");
  const auto matches = [&facts](auto SocketFilter::*member, auto value) {
    SocketFilter filter;
    filter.*member = value;
    EXPECT_FALSE(filter.empty());
    return filter.matches(facts);
  };
  EXPECT_TRUE(matches(&SocketFilter::id, facts.identity->id()));
  EXPECT_FALSE(matches(&SocketFilter::id, SocketId::make()));
  EXPECT_TRUE(matches(&SocketFilter::route, "chat"));
  EXPECT_FALSE(matches(&SocketFilter::route, "cha"));
  EXPECT_TRUE(matches(&SocketFilter::endpoint, "http://10.0.0.1:8000"));
  EXPECT_FALSE(matches(&SocketFilter::endpoint, "http://10.0.0.1:80"));
  EXPECT_TRUE(matches(&SocketFilter::older_than, 59min));
  EXPECT_FALSE(matches(&SocketFilter::older_than, 1h));
  EXPECT_TRUE(matches(&SocketFilter::idle_for, 5min));
  EXPECT_FALSE(matches(&SocketFilter::idle_for, 5min + 1ms));
  EXPECT_TRUE(matches(&SocketFilter::faster_than, 100));
  EXPECT_FALSE(matches(&SocketFilter::faster_than, 101));
}

TEST(SocketFilter, TheFasterDirectionCounts) {
  SocketFacts facts = facts_of("192.0.2.1");
  std::swap(facts.to_client, facts.to_upstream);
  SocketFilter filter;
  filter.faster_than = 100;
  EXPECT_TRUE(filter.matches(facts));
}

TEST(SocketFilter, ClientsAreFoundByBlock) {
  const auto matches = [](const char* block, const char* client) {
    SocketFilter filter;
    EXPECT_FALSE(config::parse_cidr(block, filter.client.emplace()));
    return filter.matches(facts_of(client));
  };
  EXPECT_TRUE(matches("192.0.2.0/24", "192.0.2.1"));
  EXPECT_TRUE(matches("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(matches("192.0.2.0/24", "192.0.3.1"));
  EXPECT_TRUE(matches("2001:db8::/32", "2001:db8::1"));
  EXPECT_FALSE(matches("2001:db8::/32", "192.0.2.1"));
  EXPECT_FALSE(matches("0.0.0.0/0", "")) << "of a unix socket";
}

}  // namespace
}  // namespace sluice::websocket
