// What the answers of DNS mean: endpoints. Pure functions.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "upstream/dns_client.h"

namespace sluice::upstream {

// Of one entry. What is beyond it is cut.
inline constexpr std::size_t kMostDiscovered = 256;

// The records that count: those of the lowest priority number, without those that name no target or no port. Sorted, weights
// brought into the range of an endpoint's, in proportion; at most kMostDiscovered.
std::vector<ServiceRecord> usable_services(std::vector<ServiceRecord> records);

// The last answers to the questions of one entry: addresses by name and family.
using AddressesByName = std::map<std::pair<std::string, AddressFamily>, std::vector<std::string>>;

// One endpoint for each service and each address of its target, sorted, none twice; more than kMostDiscovered are for the caller to cut.
std::vector<config::Endpoint> endpoints_of(const config::Discovery& asked, const std::vector<ServiceRecord>& services,
                                           const AddressesByName& addresses);

// The endpoints that another entry with the same question led to, as this one would have them.
std::vector<config::Endpoint> as_asked(const config::Discovery& asked, const std::vector<config::Endpoint>& endpoints);

// What one lookup of an entry brought.
struct LookupAnswers {
  std::vector<ServiceRecord> services;  // usable ones
  AddressesByName addresses;            // of their targets, where that was answered; an empty answer is one
  std::string problem;                  // the first that there was
  bool failed = false;                  // a question was not answered
};

// The endpoints of one entry: lookups change them only when they find some, and what one could not ask stays as it was.
class LastAnswer {
 public:
  LastAnswer() = default;
  // What was known of the same question before.
  explicit LastAnswer(std::vector<config::Endpoint> endpoints) : endpoints_(std::move(endpoints)) {}
  DnsOutcome take(const config::Discovery& asked, LookupAnswers answers);
  const std::vector<config::Endpoint>& endpoints() const noexcept { return endpoints_; }
  bool is_cut() const noexcept { return cut_; }  // there were more than kMostDiscovered

 private:
  AddressesByName addresses_;
  std::vector<config::Endpoint> endpoints_;
  bool cut_ = false;
};

// The endpoints of each entry of an upstream, as far as they are known.
using DiscoveredEndpoints = std::map<config::Discovery, std::vector<config::Endpoint>>;
// Of all upstreams, by name.
using DiscoveredByUpstream = std::map<std::string, DiscoveredEndpoints>;
// The first of these that were found by the same question, as `asked` would have them; empty: there are none.
std::vector<config::Endpoint> known_answer(const config::Discovery& asked, const DiscoveredByUpstream& known);

// The upstream with what was discovered beside its own endpoints. An address that is there already is not added once more.
config::Upstream expand(const config::Upstream& upstream, const DiscoveredEndpoints& discovered);

}  // namespace sluice::upstream
