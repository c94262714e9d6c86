// The configuration in force, and how the next one takes its place: everything that may be wrong with it is found before the first
// worker hears of it, and changes nothing. Endpoints that are discovered change the upstreams without a new configuration. The
// control thread's; the threads of lookups call what it hands to `EndpointLookup`.
#pragma once

#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gateway/config_parts.h"
#include "gateway/control_io.h"
#include "gateway/endpoint_lookup.h"
#include "gateway/file_watch.h"
#include "gateway/open_listeners.h"
#include "gateway/roll_call.h"
#include "gateway/worker.h"
#include "metrics/certificate_metrics.h"
#include "metrics/config_metrics.h"
#include "upstream/full_endpoints.h"

namespace sluice {

struct ReloadResult {
  bool ok = false;
  std::vector<std::string> lines;  // what is in force now and what is to be noticed; otherwise what is wrong
  bool in_part = false;            // not ok, and something has changed all the same
};

class LiveConfig {
 public:
  using Workers = std::vector<std::unique_ptr<Worker>>;
  using Reloaded = std::function<void(const ReloadResult&)>;

  // `file`: what `first` was loaded from and the next ones are; none: it stays. Refers to the rest.
  LiveConfig(config::Config first, std::optional<std::string> file, InheritedSockets inherited, IoContext& context,
             metrics::Registry& registry, upstream::EndpointRegistry& endpoints, upstream::HealthMonitor& health,
             Workers& workers);

  // Opens the listeners and gives every worker its part, before they start. Throws std::system_error (an address cannot be
  // had), ConfigError (certificates and keys) or TlsLoadError.
  void install();
  // It counts from now on.
  void in_force();
  const config::Config& config() const noexcept { return snapshot_->config; }
  // What the process began with: some of it (workers, the admin address...) holds until it ends.
  const config::Config& started_with() const noexcept { return started_with_->config; }
  // Its upstreams, with the endpoints that were discovered.
  const std::vector<config::Upstream>& upstreams() const noexcept { return upstreams_; }
  // What DNS said last.
  upstream::DiscoveredByUpstream discovered() const { return lookup_.discovered(); }
  OpenListeners& listeners() noexcept { return listeners_; }
  std::time_t loaded_at() const { return metrics_.loaded_at.value(); }
  std::string source() const { return file_.value_or("without a configuration file"); }
  std::int64_t generation() const { return metrics_.generation.value(); }

  // Loads the file again. One at a time: who asks meanwhile gets a further one, since the file may have changed. `done` may be
  // empty.
  void reload(Reloaded done);
  // Reloads fail from now on, and say why. `at_rest` is called, later, when none is under way.
  void freeze(std::string why, std::function<void()> at_rest = {});
  void thaw();
  // Tells in the log, once, of OCSP responses that have expired: since then they are not stapled. From time to time.
  void tell_of_expired(std::time_t now);
  // Names are not resolved any more, files not watched.
  void stop();

 private:
  struct Loaded;
  void load_and_take_over();
  void attempt(const std::function<void()>& step);
  Loaded load();
  void when_names_are_known(const std::shared_ptr<Loaded>& loaded, Clock::time_point latest);
  void take_over(Loaded& loaded);
  void put_in_force(Loaded& loaded, std::vector<NewConfig> parts, std::vector<config::Upstream> upstreams);
  void workers_have_it(std::uint64_t number, const RollCall::Outcome& outcome);
  void all_have_it();
  void post_endpoints_changed();
  void endpoints_changed();
  void change_endpoints();
  void all_have_endpoints(bool ok);
  void watch_files();
  void file_changed();
  void finish(const ReloadResult& result);

  IoContext& context_;
  upstream::EndpointRegistry& endpoints_;
  upstream::HealthMonitor& health_;
  Workers& workers_;
  const std::optional<std::string> file_;
  metrics::ConfigMetrics metrics_;
  metrics::CertificateMetrics certificate_metrics_;
  upstream::FullEndpoints full_endpoints_;
  std::shared_ptr<const proxy::Snapshot> snapshot_;
  const std::shared_ptr<const proxy::Snapshot> started_with_;
  TlsSetup tls_;
  OpenListeners listeners_;
  CountsByRoute counts_;
  EndpointLookup lookup_;
  std::vector<config::Upstream> upstreams_;
  Timer names_timer_;      // until names are known
  Timer endpoints_timer_;  // until endpoints are tried again
  FileWatch watch_;
  std::int64_t read_from_;  // when reading of the files began: FileWatch::moment()

  bool reloading_ = false;
  std::uint64_t taken_over_ = 0;  // how often the workers were given a configuration
  std::uint64_t endpoints_taken_over_ = 0;  // likewise, endpoints
  bool in_part_ = false;                    // the last one: memory ran out on a worker
  std::uint64_t given_up_ = 0;    // the last time that one of them did not answer
  std::string frozen_;  // why; empty: it is not
  bool changed_meanwhile_ = false;  // a watched file did
  std::function<void()> at_rest_;
  std::vector<Reloaded> waiting_;       // for the reload that is under way
  std::vector<Reloaded> wait_for_next_;
  std::vector<std::string> warnings_;   // of the reload that is under way

  std::atomic<bool> endpoints_posted_{false};  // that they changed
  bool changing_endpoints_ = false;            // workers are about to
  bool endpoints_wait_ = false;                // they changed meanwhile
  bool endpoints_in_part_ = false;             // not every worker could change them
};

}  // namespace sluice
