#include "upstream/discovered.h"

#include <algorithm>
#include <tuple>

namespace sluice::upstream {
namespace {

std::string without_root(const std::string& name) {
  return !name.empty() && name.back() == '.' ? name.substr(0, name.size() - 1) : name;
}

config::Endpoint endpoint_at(const std::string& address, const ServiceRecord& service, bool https) {
  config::Endpoint endpoint;
  const bool v6 = address.find(':') != std::string::npos;
  endpoint.url = (https ? "https://" : "http://") + (v6 ? "[" + address + "]" : address) + ":" + std::to_string(service.port);
  endpoint.https = https;
  endpoint.host = address;
  endpoint.port = service.port;
  endpoint.weight = std::max<unsigned>(service.weight, 1);
  endpoint.discovered_as = without_root(service.target);
  return endpoint;
}

}  // namespace

std::vector<ServiceRecord> usable_services(std::vector<ServiceRecord> records) {
  std::erase_if(records, [](const ServiceRecord& one) { return one.port == 0 || without_root(one.target).empty(); });
  if (records.empty()) return records;
  const auto by_priority = [](const ServiceRecord& a, const ServiceRecord& b) { return a.priority < b.priority; };
  const std::uint16_t first = std::min_element(records.begin(), records.end(), by_priority)->priority;
  std::erase_if(records, [first](const ServiceRecord& one) { return one.priority != first; });
  std::sort(records.begin(), records.end());
  if (records.size() > kMostDiscovered) records.resize(kMostDiscovered);
  const auto by_weight = [](const ServiceRecord& a, const ServiceRecord& b) { return a.weight < b.weight; };
  const unsigned heaviest = std::max_element(records.begin(), records.end(), by_weight)->weight;
  for (ServiceRecord& one : records) {
    const unsigned weight = heaviest <= config::kHeaviestEndpoint ? one.weight : one.weight * config::kHeaviestEndpoint / heaviest;
    one.weight = static_cast<std::uint16_t>(std::max(weight, 1u));
  }
  return records;
}

std::vector<config::Endpoint> endpoints_of(const config::Discovery& asked, const std::vector<ServiceRecord>& services,
                                           const AddressesByName& addresses) {
  std::vector<config::Endpoint> endpoints;
  for (const ServiceRecord& service : services) {
    for (const AddressFamily family : {AddressFamily::v4, AddressFamily::v6}) {
      const auto known = addresses.find({service.target, family});
      if (known == addresses.end()) continue;
      for (const std::string& address : known->second) endpoints.push_back(endpoint_at(address, service, asked.https));
    }
  }
  // Of two records for one address the heavier one counts, in whatever order they came.
  std::sort(endpoints.begin(), endpoints.end(), [](const config::Endpoint& a, const config::Endpoint& b) {
    return std::tie(a.url, b.weight, a.discovered_as) < std::tie(b.url, a.weight, b.discovered_as);
  });
  const auto same_url = [](const config::Endpoint& a, const config::Endpoint& b) { return a.url == b.url; };
  endpoints.erase(std::unique(endpoints.begin(), endpoints.end(), same_url), endpoints.end());
  return endpoints;
}

std::vector<config::Endpoint> as_asked(const config::Discovery& asked, const std::vector<config::Endpoint>& endpoints) {
  const bool dns = asked.kind == config::Discovery::Kind::dns;
  std::vector<config::Endpoint> result;
  for (const config::Endpoint& one : endpoints) {
    const ServiceRecord service{one.discovered_as, dns ? asked.port : one.port, 0, static_cast<std::uint16_t>(dns ? asked.weight : one.weight)};
    result.push_back(endpoint_at(one.host, service, asked.https));
  }
  return result;
}

DnsOutcome LastAnswer::take(const config::Discovery& asked, LookupAnswers answers) {
  if (endpoints_of(asked, answers.services, answers.addresses).empty()) return answers.failed ? DnsOutcome::failed : DnsOutcome::empty;
  for (const ServiceRecord& service : answers.services) {
    for (const AddressFamily family : {AddressFamily::v4, AddressFamily::v6}) {
      const auto before = addresses_.find({service.target, family});
      if (before != addresses_.end()) answers.addresses.insert(*before);  // unless there is an answer
    }
  }
  std::vector<config::Endpoint> found = endpoints_of(asked, answers.services, answers.addresses);
  cut_ = found.size() > kMostDiscovered;
  if (cut_) found.resize(kMostDiscovered);
  endpoints_ = std::move(found);
  addresses_ = std::move(answers.addresses);
  return DnsOutcome::found;
}

std::vector<config::Endpoint> known_answer(const config::Discovery& asked, const DiscoveredByUpstream& known) {
  for (const auto& [upstream, entries] : known) {
    for (const auto& [entry, endpoints] : entries) {
      if (entry.asks_as(asked) && !endpoints.empty()) return as_asked(asked, endpoints);
    }
  }
  return {};
}

config::Upstream expand(const config::Upstream& upstream, const DiscoveredEndpoints& discovered) {
  config::Upstream expanded = upstream;
  for (const config::Discovery& asked : upstream.discoveries) {
    const auto known = discovered.find(asked);
    if (known == discovered.end()) continue;
    for (const config::Endpoint& endpoint : known->second) {
      const auto is_it = [&endpoint](const config::Endpoint& other) {
        return other.https == endpoint.https && other.host == endpoint.host && other.port == endpoint.port;
      };
      if (std::none_of(expanded.endpoints.begin(), expanded.endpoints.end(), is_it)) expanded.endpoints.push_back(endpoint);
    }
  }
  return expanded;
}

}  // namespace sluice::upstream
