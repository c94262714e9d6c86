#include "upstream/discovered.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace sluice::upstream {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

config::Discovery dns(const std::string& name, std::uint16_t port, unsigned weight = 1, bool https = false) {
  config::Discovery asked;
  asked.name = name;
  asked.port = port;
  asked.weight = weight;
  asked.https = https;
  return asked;
}

std::vector<std::string> urls(const std::vector<config::Endpoint>& endpoints) {
  std::vector<std::string> urls;
  for (const config::Endpoint& endpoint : endpoints) urls.push_back(endpoint.url + " x" + std::to_string(endpoint.weight));
  return urls;
}

LookupAnswers answers(std::vector<std::string> v4, std::vector<std::string> v6 = {}) {
  LookupAnswers made;
  made.services = {{"app", 8000, 0, 1}};
  made.addresses[{"app", AddressFamily::v4}] = std::move(v4);
  made.addresses[{"app", AddressFamily::v6}] = std::move(v6);
  return made;
}

LookupAnswers without(LookupAnswers made, AddressFamily family) {
  made.failed = true;
  made.addresses.erase({"app", family});
  return made;
}

TEST(UsableServices, OnlyTheLowestPriorityNumberCounts) {
  EXPECT_THAT(usable_services({{"b", 2, 10, 5}, {"c", 3, 20, 5}, {"a", 1, 10, 7}}),
              ElementsAre(ServiceRecord{"a", 1, 10, 7}, ServiceRecord{"b", 2, 10, 5}));
}

TEST(UsableServices, WithoutTargetOrPortThereIsNothingToConnectTo) {
  EXPECT_THAT(usable_services({{"", 80, 0, 1}, {".", 80, 0, 1}, {"a", 0, 0, 1}}), IsEmpty());
  EXPECT_THAT(usable_services({{"", 80, 0, 1}, {"b", 80, 1, 1}}), SizeIs(1));
  EXPECT_THAT(usable_services({}), IsEmpty());
}

TEST(UsableServices, WeightsComeIntoRangeInProportion) {
  EXPECT_THAT(usable_services({{"a", 1, 0, 0}, {"b", 1, 0, 1000}}),
              ElementsAre(ServiceRecord{"a", 1, 0, 1}, ServiceRecord{"b", 1, 0, 1000}));
  EXPECT_THAT(usable_services({{"a", 1, 0, 65535}, {"b", 1, 0, 32768}, {"c", 1, 0, 1}}),
              ElementsAre(ServiceRecord{"a", 1, 0, 1000}, ServiceRecord{"b", 1, 0, 500}, ServiceRecord{"c", 1, 0, 1}));
}

TEST(UsableServices, AreBounded) {
  std::vector<ServiceRecord> many;
  for (std::uint16_t port = 1; port <= 1000; ++port) many.push_back({"a", port, 0, 1});
  EXPECT_THAT(usable_services(many), SizeIs(kMostDiscovered));
}

TEST(EndpointsOf, OneForEachAddressSortedAndOnce) {
  const config::Discovery asked = dns("app.", 8000, 3);
  const std::vector<ServiceRecord> services = {{"app.", 8000, 0, 3}};
  const AddressesByName addresses = {{{"app.", AddressFamily::v4}, {"10.0.0.9", "10.0.0.10", "10.0.0.9"}},
                                     {{"app.", AddressFamily::v6}, {"fd00::1"}},
                                     {{"other", AddressFamily::v4}, {"10.9.9.9"}}};
  const std::vector<config::Endpoint> found = endpoints_of(asked, services, addresses);
  EXPECT_THAT(urls(found), ElementsAre("http://10.0.0.10:8000 x3", "http://10.0.0.9:8000 x3", "http://[fd00::1]:8000 x3"));
  EXPECT_EQ(found[2].host, "fd00::1");
  EXPECT_EQ(found[2].name(), "app");
  EXPECT_EQ(found[2].authority(), "app:8000");
}

TEST(EndpointsOf, TheHeavierOfTwoRecordsForOneAddressCountsInAnyOrder) {
  const AddressesByName addresses = {{{"a", AddressFamily::v4}, {"10.0.0.1"}}, {{"b", AddressFamily::v4}, {"10.0.0.1"}}};
  std::vector<ServiceRecord> services = {{"a", 443, 0, 2}, {"b", 443, 0, 5}};
  const config::Discovery asked = dns("x", 0, 1, true);
  for (int turn = 0; turn < 2; ++turn) {
    const std::vector<config::Endpoint> found = endpoints_of(asked, services, addresses);
    ASSERT_THAT(urls(found), ElementsAre("https://10.0.0.1:443 x5"));
    EXPECT_EQ(found[0].name(), "b");
    EXPECT_EQ(found[0].authority(), "b");
    std::reverse(services.begin(), services.end());
  }
}

TEST(LastAnswer, TheSameAddressesInAnotherOrderAreNoChange) {
  LastAnswer last;
  EXPECT_EQ(last.take(dns("app", 8000), answers({"10.0.0.1", "10.0.0.2"})), DnsOutcome::found);
  const std::vector<config::Endpoint> before = last.endpoints();
  EXPECT_EQ(last.take(dns("app", 8000), answers({"10.0.0.2", "10.0.0.1"})), DnsOutcome::found);
  EXPECT_EQ(last.endpoints(), before);
}

TEST(LastAnswer, NeitherAFailureNorAnEmptyAnswerTakesEndpointsAway) {
  LastAnswer last;
  EXPECT_EQ(last.take(dns("app", 8000), answers({})), DnsOutcome::empty);
  last.take(dns("app", 8000), answers({"10.0.0.1"}));
  EXPECT_EQ(last.take(dns("app", 8000), answers({})), DnsOutcome::empty);
  EXPECT_THAT(last.endpoints(), SizeIs(1));
  EXPECT_EQ(last.take(dns("app", 8000), without(answers({}), AddressFamily::v4)), DnsOutcome::failed);
  EXPECT_THAT(last.endpoints(), SizeIs(1));
  LookupAnswers failed;
  failed.failed = true;
  EXPECT_EQ(last.take(dns("app", 8000), failed), DnsOutcome::failed);
  EXPECT_THAT(last.endpoints(), SizeIs(1));
  EXPECT_EQ(last.take(dns("app", 8000), LookupAnswers{}), DnsOutcome::empty) << "SRV without records";
  EXPECT_THAT(last.endpoints(), SizeIs(1));
}

TEST(LastAnswer, AFamilyThatCouldNotBeAskedStaysAsItWas) {
  LastAnswer last;
  last.take(dns("app", 8000), answers({"10.0.0.1"}, {"fd00::1"}));
  EXPECT_EQ(last.take(dns("app", 8000), without(answers({}, {"fd00::1", "fd00::2"}), AddressFamily::v4)), DnsOutcome::found);
  EXPECT_THAT(urls(last.endpoints()), ElementsAre("http://10.0.0.1:8000 x1", "http://[fd00::1]:8000 x1", "http://[fd00::2]:8000 x1"));
  EXPECT_EQ(last.take(dns("app", 8000), answers({}, {"fd00::1"})), DnsOutcome::found) << "it said that there are none";
  EXPECT_THAT(urls(last.endpoints()), ElementsAre("http://[fd00::1]:8000 x1"));
}

TEST(LastAnswer, IsBounded) {
  std::vector<std::string> many;
  for (int i = 0; i < 300; ++i) many.push_back("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  LastAnswer last;
  last.take(dns("app", 8000), answers(many));
  EXPECT_TRUE(last.is_cut());
  EXPECT_THAT(last.endpoints(), SizeIs(kMostDiscovered));
  last.take(dns("app", 8000), answers({"10.0.0.1"}));
  EXPECT_FALSE(last.is_cut());
}

TEST(Expand, AddsWhatIsKnownBesideItsOwnEndpoints) {
  config::Upstream upstream;
  upstream.name = "app";
  upstream.endpoints.emplace_back();
  upstream.endpoints[0].url = "http://10.0.0.1:8000/";
  upstream.endpoints[0].host = "10.0.0.1";
  upstream.endpoints[0].port = 8000;
  upstream.discoveries = {dns("app", 8000), dns("later", 8000)};
  EXPECT_EQ(expand(upstream, {}), upstream);
  LastAnswer last;
  last.take(dns("app", 8000), answers({"10.0.0.1", "10.0.0.2"}));
  const config::Upstream expanded = expand(upstream, {{dns("app", 8000), last.endpoints()}, {dns("gone", 1), last.endpoints()}});
  EXPECT_THAT(urls(expanded.endpoints), ElementsAre("http://10.0.0.1:8000/ x1", "http://10.0.0.2:8000 x1"));
  EXPECT_EQ(expanded.discoveries, upstream.discoveries);
}

}  // namespace
}  // namespace sluice::upstream
