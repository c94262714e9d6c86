// Turns the dns and srv entries of upstreams into endpoints, again and again, on a thread of its own, which begins with the first
// of them. A lookup that fails, or finds nothing, changes nothing: with no endpoints nobody would be served. The
// functions are for the control thread; `changed` is called on the thread of lookups.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "metrics/discovery_metrics.h"
#include "tls/descriptor.h"
#include "tls/io_types.h"
#include "upstream/discovered.h"

namespace sluice::upstream {

// An entry, and whose it is.
struct DiscoveryEntry {
  std::string upstream;
  config::Discovery settings;
  auto operator<=>(const DiscoveryEntry&) const = default;
};

class EndpointDiscovery {
 public:
  using Known = DiscoveredByUpstream;

  EndpointDiscovery(metrics::Registry& registry, std::function<void()> changed);
  ~EndpointDiscovery() { stop(); }
  EndpointDiscovery(const EndpointDiscovery&) = delete;
  EndpointDiscovery& operator=(const EndpointDiscovery&) = delete;

  // What a gateway knew that this one replaces: it holds for entries with the same questions until they are answered. Before use().
  void remember(Known known) { handed_over_ = std::move(known); }
  // Looks these up from now on, and no others; what is known of the ones that stay is kept, and serves new ones that ask the same.
  // Throws std::system_error when it cannot begin.
  void use(std::set<DiscoveryEntry> entries, config::Resolver resolver);
  // Whether each of them was looked up once.
  bool is_settled() const;
  // Returns when that is so, or after `patience`.
  void wait(std::chrono::milliseconds patience) const;
  Known known() const;
  void stop();

 private:
  struct Watch;
  void run();
  void turn();
  void take_wishes();
  void forget_client() noexcept;
  void look_up(const std::shared_ptr<Watch>& watch);
  void ask_addresses(const std::shared_ptr<Watch>& watch);
  void ended(Watch& watch);
  void tell_of(Watch& watch, DnsOutcome outcome, const std::vector<config::Endpoint>& before);
  void count(const std::string& upstream);
  void wake() noexcept;

  metrics::Registry& registry_;
  const std::function<void()> changed_;
  tls::Descriptor wake_;  // an eventfd
  std::thread thread_;

  mutable std::mutex mutex_;
  mutable std::condition_variable settled_;
  bool stopping_ = false;
  unsigned wishes_ = 0;  // that there were
  std::set<DiscoveryEntry> wanted_;
  config::Resolver resolver_;
  std::set<DiscoveryEntry> tried_;
  Known known_;
  Known handed_over_;

  // The thread's own.
  std::map<DiscoveryEntry, std::shared_ptr<Watch>> watches_;
  std::map<std::string, metrics::DiscoveryMetrics> metrics_;
  config::Resolver asked_;
  std::optional<DnsClient> client_;
  unsigned taken_wishes_ = 0;
  bool untold_ = false;  // something is known that changed_() was not called for
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace sluice::upstream
