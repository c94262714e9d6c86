#include "gateway/live_config.h"

#include <asio/post.hpp>
#include <utility>

#include "config/files.h"
#include "config/load.h"
#include "gateway/destinations.h"
#include "gateway/reload_rules.h"
#include "gateway/service_manager.h"
#include "metrics/log.h"

namespace sluice {
namespace {

constexpr std::chrono::milliseconds kResolvePatience{3000};
constexpr std::chrono::milliseconds kResolvePoll{10};
constexpr std::chrono::milliseconds kEndpointsAgain{1000};

// What the first configuration was made of was read after this.
const std::int64_t kStarted = FileWatch::moment();

}  // namespace

// A configuration of which nothing is wrong, and nothing in force yet.
struct LiveConfig::Loaded {
  std::shared_ptr<const proxy::Snapshot> snapshot;
  TlsSetup tls;
  UnchangedTls unchanged;
  OpenListeners::Next listeners;
};

LiveConfig::LiveConfig(config::Config first, std::optional<std::string> file, InheritedSockets inherited, IoContext& context,
                       metrics::Registry& registry, upstream::EndpointRegistry& endpoints, upstream::HealthMonitor& health,
                       Workers& workers)
    : context_(context),
      endpoints_(endpoints),
      health_(health),
      workers_(workers),
      file_(std::move(file)),
      metrics_(registry),
      certificate_metrics_(registry),
      full_endpoints_(registry, endpoints),
      snapshot_(std::make_shared<const proxy::Snapshot>(std::move(first))),
      started_with_(snapshot_),
      listeners_(static_cast<unsigned>(workers.size()), std::move(inherited)),
      lookup_(
          registry,
          [this](const upstream::Resolver::Name& name, const std::shared_ptr<const upstream::Addresses>& addresses) {
            for (const std::unique_ptr<Worker>& worker : workers_) worker->set_addresses(name, addresses);
            health_.set_addresses(name, addresses);
          },
          [this] { post_endpoints_changed(); }),
      names_timer_(context),
      endpoints_timer_(context),
      watch_(context, [this] { file_changed(); }),
      read_from_(kStarted) {
  lookup_.remember(listeners_.inherited().take_discovered());
}

void LiveConfig::install() {
  std::vector<std::string> warnings;
  Loaded first{snapshot_, load_tls(config(), warnings), {}, listeners_.open(config().listeners)};
  lookup_.use(config(), nullptr, kResolvePatience);
  std::vector<config::Upstream> upstreams = lookup_.expanded(config());
  std::vector<NewConfig> parts =
      parts_for_workers(workers_.size(), snapshot_, upstreams, first.tls, {}, first.listeners, counts_);
  lookup_.warn_of_unknown(upstreams, warnings);
  lookup_.hand_over(upstreams, [&](upstream::Resolver::Known addresses) {
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      parts[i].addresses = addresses;
      workers_[i]->install(std::move(parts[i]));
    }
    health_.watch(watched_upstreams(upstreams, first.tls, {}, endpoints_), addresses);
  });
  upstreams_ = std::move(upstreams);
  tls_ = std::move(first.tls);
  listeners_.use(std::move(first.listeners.listeners), config().timeouts, warnings);
  for (const std::string& warning : warnings) metrics::log().warn("{}", warning);
}

void LiveConfig::in_force() {
  watch_files();
  certificate_metrics_.set(certificate_expiries(config(), tls_));
  full_endpoints_.watch(upstreams_);
  metrics_.generation.add(1);
  metrics_.loaded_at.set(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
}

void LiveConfig::reload(Reloaded done) {
  if (reloading_) return wait_for_next_.push_back(std::move(done));
  reloading_ = true;
  waiting_.push_back(std::move(done));
  load_and_take_over();
}

void LiveConfig::load_and_take_over() {
  warnings_.clear();
  service_manager::reloading();
  attempt([this] {
    if (!frozen_.empty()) throw std::runtime_error(frozen_);
    if (!file_) throw std::runtime_error("there is no configuration file to reload");
    const auto loaded = std::make_shared<Loaded>(load());
    lookup_.use(loaded->snapshot->config, &config());
    when_names_are_known(loaded, Clock::now() + kResolvePatience);
  });
}

// A step of a reload; what goes wrong ends it.
void LiveConfig::attempt(const std::function<void()>& step) {
  try {
    step();
  } catch (const config::ConfigError& error) {
    ReloadResult result;
    for (const config::Problem& problem : error.problems()) result.lines.push_back(problem.text());
    finish(result);
  } catch (const std::system_error& error) {
    finish({false, {std::string(error.what()) + "; " + hint_for(error.code())}});
  } catch (const std::exception& error) {
    finish({false, {error.what()}});
  }
}

// Waits a little for names that are new, but holds nothing else up.
void LiveConfig::when_names_are_known(const std::shared_ptr<Loaded>& loaded, Clock::time_point latest) {
  if (lookup_.is_settled() || Clock::now() >= latest) return take_over(*loaded);
  names_timer_.expires_after(kResolvePoll);
  names_timer_.async_wait([this, loaded, latest](const ErrorCode& error) {
    if (error) return;
    attempt([&] {
      if (!frozen_.empty() && !at_rest_) throw std::runtime_error(frozen_);  // the gateway ends
      when_names_are_known(loaded, latest);
    });
  });
}

void LiveConfig::tell_of_expired(std::time_t now) {
  for (const metrics::CertificateExpiry& one : certificate_metrics_.take_expired_staples(now)) {
    metrics::log().warn("listener {}: the OCSP response for {} has expired and is not stapled any more; fetch a new one and reload",
                        one.listener, one.certificate);
  }
}

void LiveConfig::watch_files() {
  if (!config().watch || !file_) return watch_.stop();
  std::vector<std::string> files = config::files_of(config());
  files.push_back(*file_);
  watch_.watch(files, read_from_);
}

void LiveConfig::stop() {
  watch_.stop();
  lookup_.stop();
  names_timer_.cancel();
  endpoints_timer_.cancel();
}

LiveConfig::Loaded LiveConfig::load() {
  Loaded next;
  watch_.before_reading();
  read_from_ = FileWatch::moment();
  next.snapshot = std::make_shared<const proxy::Snapshot>(config::load_file(*file_, warnings_));
  const config::Config& loaded = next.snapshot->config;
  next.tls = load_tls(loaded, warnings_);
  next.listeners = listeners_.open(loaded.listeners);
  next.unchanged = keep_unchanged(config(), tls_, loaded, next.tls, next.listeners.kept);
  if (in_part_) next.unchanged = {};  // a worker that could not take the last configuration over has an older one's contexts
  for (const std::string& later : takes_effect_later(started_with(), loaded)) warnings_.push_back(later);
  return next;
}

void LiveConfig::take_over(Loaded& loaded) {
  std::vector<config::Upstream> upstreams = lookup_.expanded(loaded.snapshot->config);
  std::vector<NewConfig> parts =
      parts_for_workers(workers_.size(), loaded.snapshot, upstreams, loaded.tls, loaded.unchanged, loaded.listeners, counts_);
  lookup_.warn_of_unknown(upstreams, warnings_);
  put_in_force(loaded, std::move(parts), std::move(upstreams));
}

// The resolver's answers wait meanwhile, so that none of them is overwritten by an older one.
void LiveConfig::put_in_force(Loaded& loaded, std::vector<NewConfig> parts, std::vector<config::Upstream> upstreams) {
  std::vector<upstream::WatchedUpstream> watched = watched_upstreams(upstreams, loaded.tls, loaded.unchanged, endpoints_);
  lookup_.hand_over(upstreams, [&](upstream::Resolver::Known addresses) {
    for (NewConfig& part : parts) part.addresses = addresses;  // nothing can go wrong from here on
    for (std::size_t i = 0; i < loaded.listeners.listeners.size(); ++i) {
      const OpenListener& listener = loaded.listeners.listeners[i];
      if (loaded.listeners.kept[i]) continue;
      metrics::log().info("listening on {} (listener {}, {})", listener.address.text(), listener.config.name, spoken(listener.config));
    }
    listeners_.use(std::move(loaded.listeners.listeners), loaded.snapshot->config.timeouts, warnings_);
    snapshot_ = std::move(loaded.snapshot);
    tls_ = std::move(loaded.tls);
    upstreams_ = std::move(upstreams);
    const auto told = [this, number = ++taken_over_](const RollCall::Outcome& outcome) { workers_have_it(number, outcome); };
    const std::shared_ptr<RollCall> call = RollCall::begin(context_, worker_names(workers_.size()), told);
    for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i]->reload(std::move(parts[i]), call->answer_of(i));
    health_.watch(std::move(watched), std::move(addresses));  // the workers know the endpoints before they are told of them
  });
}

// On the discovery's thread. Once, however often they change meanwhile.
void LiveConfig::post_endpoints_changed() {
  if (endpoints_posted_.exchange(true)) return;
  try {
    asio::post(context_, [this] {
      endpoints_posted_ = false;
      endpoints_changed();
    });
  } catch (const std::bad_alloc&) {
    endpoints_posted_ = false;
    throw;  // the discovery calls again
  }
}

// Never while a reload is under way: what was discovered is for one configuration or the next.
void LiveConfig::endpoints_changed() {
  endpoints_wait_ = reloading_ || changing_endpoints_;
  if (endpoints_wait_) return;
  try {
    change_endpoints();
  } catch (const std::exception& error) {  // memory ran out
    metrics::log().error("the endpoints that were discovered could not be taken over yet: {}", error.what());
    all_have_endpoints(false);
  }
}

// As a reload does, but with the configuration in force.
void LiveConfig::change_endpoints() {
  const auto next = std::make_shared<NewEndpoints>(NewEndpoints{snapshot_, lookup_.expanded(config()), {}});
  if (next->upstreams == upstreams_ && !endpoints_in_part_) return;
  UnchangedTls unchanged;
  unchanged.upstreams.assign(next->upstreams.size(), true);
  std::vector<upstream::WatchedUpstream> watched = watched_upstreams(next->upstreams, tls_, unchanged, endpoints_);
  std::vector<config::Upstream> upstreams = next->upstreams;
  lookup_.hand_over(upstreams, [&](upstream::Resolver::Known addresses) {
    next->addresses = addresses;
    const auto told = [this, number = ++endpoints_taken_over_](const RollCall::Outcome& outcome) {
      if (number == endpoints_taken_over_) all_have_endpoints(outcome.ok);  // a silent one has them before it
    };
    const std::shared_ptr<RollCall> call = RollCall::begin(context_, worker_names(workers_.size()), told);
    changing_endpoints_ = true;
    upstreams_ = std::move(upstreams);
    for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i]->change_endpoints(next, call->answer_of(i));
    health_.watch(std::move(watched), std::move(addresses));
  });
}

void LiveConfig::all_have_endpoints(bool ok) {
  changing_endpoints_ = false;
  endpoints_in_part_ = !ok;
  full_endpoints_.watch(upstreams_);
  if (ok && endpoints_wait_) return endpoints_changed();
  if (ok) return;
  endpoints_timer_.expires_after(kEndpointsAgain);
  endpoints_timer_.async_wait([this](const ErrorCode& error) {
    if (!error) endpoints_changed();
  });
}

void LiveConfig::workers_have_it(std::uint64_t number, const RollCall::Outcome& outcome) {
  if (number != taken_over_) return;  // a later one is on its way to all of them
  if (!outcome.silent.empty()) {
    given_up_ = number;
    return finish({false, {outcome.silent + " does not answer: the configuration is in force in part, and new listeners do not accept "
                           "until it does; if /healthz goes on telling of it, restart the gateway"}, true});
  }
  in_part_ = !outcome.ok;
  const bool late = given_up_ == number;
  if (!outcome.ok) {
    const std::string failure = "memory ran out while the configuration was taken over: it is in force in part; reload again";
    return late ? metrics::log().error("{}", failure) : finish({false, {failure}, true});
  }
  all_have_it();
  ReloadResult result{true, {"configuration " + std::to_string(generation()) + " is in force: " + *file_}};
  if (late) return metrics::log().info("{}; every worker has answered by now", result.lines.front());
  for (const std::string& warning : warnings_) result.lines.push_back("warning: " + warning);
  finish(result);
}

void LiveConfig::all_have_it() {
  for (const std::unique_ptr<Worker>& worker : workers_) worker->settle_listeners();
  // What no route and no tunnel counts in any more. The workers' parts of before are gone.
  std::erase_if(counts_, [](const auto& named) { return named.second.open.use_count() == 1; });
  lookup_.use(config());
  in_force();
}

void LiveConfig::finish(const ReloadResult& result) {
  (result.ok ? metrics_.reloads_ok : metrics_.reloads_failed).add();
  for (const std::string& warning : result.ok ? warnings_ : std::vector<std::string>()) metrics::log().warn("{}", warning);
  for (const std::string& reason : result.ok ? std::vector<std::string>() : result.lines) metrics::log().error("{}", reason);
  if (result.ok) metrics::log().info("{}", result.lines.front());
  if (!result.ok && !result.in_part) metrics::log().error("the configuration was not reloaded, and nothing has changed");
  for (const Reloaded& done : std::exchange(waiting_, {})) {
    if (done) done(result);
  }
  waiting_ = std::exchange(wait_for_next_, {});
  reloading_ = !waiting_.empty();
  if (reloading_) return asio::post(context_, [this] { load_and_take_over(); });
  service_manager::ready();
  if (endpoints_wait_) asio::post(context_, [this] { endpoints_changed(); });
  if (at_rest_) asio::post(context_, std::exchange(at_rest_, {}));
}

void LiveConfig::file_changed() {
  changed_meanwhile_ = !frozen_.empty();
  if (changed_meanwhile_) return;
  metrics::log().info("files have changed; the configuration is reloaded");
  reload({});
}

void LiveConfig::thaw() {
  frozen_.clear();
  if (changed_meanwhile_) file_changed();
}

void LiveConfig::freeze(std::string why, std::function<void()> at_rest) {
  frozen_ = std::move(why);
  if (!at_rest) return;
  if (reloading_) {
    at_rest_ = std::move(at_rest);
  } else {
    asio::post(context_, std::move(at_rest));
  }
}

}  // namespace sluice
