#include "gateway/live_config.h"

#include <asio/post.hpp>
#include <utility>

#include "config/files.h"
#include "config/load.h"
#include "gateway/endpoint_names.h"
#include "gateway/proxy/https_redirect.h"
#include "gateway/reload_rules.h"
#include "gateway/service_manager.h"
#include "metrics/log.h"

namespace sluice {
namespace {

constexpr std::chrono::milliseconds kResolvePatience{3000};

bool same(const std::vector<bool>& flags, std::size_t i) { return i < flags.size() && flags[i]; }

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
      snapshot_(std::make_shared<const proxy::Snapshot>(std::move(first))),
      listeners_(static_cast<unsigned>(workers.size()), std::move(inherited)),
      resolver_([this](const upstream::Resolver::Name& name, const std::shared_ptr<const upstream::Addresses>& addresses) {
        publish(name, addresses);
      }),
      watch_(context, [this] { file_changed(); }) {}

void LiveConfig::install() {
  std::vector<std::string> warnings;
  tls_ = load_tls(config(), warnings);
  OpenListeners::Next listeners = listeners_.open(config().listeners);
  std::vector<NewConfig> parts = for_workers(snapshot_, tls_, {}, listeners);
  const upstream::Resolver::Known addresses = resolve(config());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    parts[i].addresses = addresses;
    workers_[i]->install(std::move(parts[i]));
  }
  health_.watch(watched(config(), tls_, {}), addresses);
  listeners_.use(std::move(listeners.listeners), config().timeouts, warnings);
  for (const std::string& warning : warnings) metrics::log().warn("{}", warning);
}

void LiveConfig::in_force() {
  watch_files();
  certificate_metrics_.set(certificate_expiries(config(), tls_));
  metrics_.generation.add(1);
  metrics_.loaded_at.set(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
}

// A worker's own contexts, and what all share. Open tunnels are counted on by the name of their route.
std::vector<NewConfig> LiveConfig::for_workers(const std::shared_ptr<const proxy::Snapshot>& snapshot, const TlsSetup& tls,
                                               const UnchangedTls& unchanged, OpenListeners::Next& listeners) {
  const config::Config& config = snapshot->config;
  std::vector<NewConfig> parts(workers_.size());
  for (std::size_t index = 0; index < parts.size(); ++index) {
    NewConfig& part = parts[index];
    part.snapshot = snapshot;
    part.https_port = proxy::https_port(config, ports_of(listeners.listeners));
    for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
      part.clients.push_back({make_context(config.upstreams[i], tls.upstreams[i]), same(unchanged.upstreams, i)});
    }
    for (const config::Route& route : config.routes) {
      std::shared_ptr<proxy::TunnelCount>& count = tunnel_counts_[route.name];
      if (!count) count = std::make_shared<proxy::TunnelCount>(0);
      part.tunnel_counts.push_back(count);
    }
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
      const bool keeps_tls = same(unchanged.listeners, i);
      ListeningSockets& opened = listeners.opened[i];
      part.listeners.push_back({.id = listeners.listeners[i].id,
                                .config = std::make_shared<const config::Listener>(config.listeners[i]),
                                .tls_context = keeps_tls ? nullptr : make_context(config.listeners[i], tls.listeners[i]),
                                .tls_unchanged = keeps_tls,
                                .opened = !listeners.kept[i],
                                .sockets = sockets_of(opened, static_cast<unsigned>(index), static_cast<unsigned>(parts.size())),
                                .shared = opened.shared});
    }
  }
  return parts;
}

// What the health monitor needs of a configuration.
std::vector<upstream::WatchedUpstream> LiveConfig::watched(const config::Config& config, const TlsSetup& tls,
                                                           const UnchangedTls& unchanged) {
  std::vector<upstream::WatchedUpstream> upstreams;
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    const config::Upstream& upstream = config.upstreams[i];
    upstream::WatchedUpstream& one = upstreams.emplace_back(upstream::WatchedUpstream{upstream, endpoints_.states_of(upstream)});
    if (upstream.health_check) one.tls_context = make_context(upstream, tls.upstreams[i]);
    one.tls_unchanged = same(unchanged.upstreams, i);
  }
  return upstreams;
}

// Of all endpoints of `config`; names that are new are waited for a little.
upstream::Resolver::Known LiveConfig::resolve(const config::Config& config) {
  EndpointNames names = endpoint_names(config);
  for (const upstream::Resolver::Name& name : resolver_.use(names.to_resolve, kResolvePatience)) {
    metrics::log().warn("{} is not resolved yet; its endpoint gets no requests until it is", name.first);
  }
  upstream::Resolver::Known known = resolver_.known();
  known.merge(names.known);
  return known;
}

void LiveConfig::publish(const upstream::Resolver::Name& name, const std::shared_ptr<const upstream::Addresses>& addresses) {
  for (const std::unique_ptr<Worker>& worker : workers_) worker->set_addresses(name, addresses);
  health_.set_addresses(name, addresses);
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
  try {
    if (!frozen_.empty()) throw std::runtime_error(frozen_);
    if (!file_) throw std::runtime_error("there is no configuration file to reload");
    take_over(load());
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

void LiveConfig::watch_files() {
  if (!config().watch || !file_) return watch_.stop();
  std::vector<std::string> files = config::files_of(config());
  files.push_back(*file_);
  watch_.watch(files);
}

void LiveConfig::stop() {
  watch_.stop();
  resolver_.stop();
}

LiveConfig::Loaded LiveConfig::load() {
  Loaded next;
  next.snapshot = std::make_shared<const proxy::Snapshot>(config::load_file(*file_, warnings_));
  const config::Config& loaded = next.snapshot->config;
  next.tls = load_tls(loaded, warnings_);
  next.listeners = listeners_.open(loaded.listeners);
  next.unchanged = keep_unchanged(config(), tls_, loaded, next.tls, next.listeners.kept);
  for (const std::string& later : takes_effect_later(config(), loaded)) warnings_.push_back(later);
  return next;
}

void LiveConfig::take_over(Loaded loaded) {
  std::vector<NewConfig> parts = for_workers(loaded.snapshot, loaded.tls, loaded.unchanged, loaded.listeners);
  std::vector<upstream::WatchedUpstream> watched_upstreams = watched(loaded.snapshot->config, loaded.tls, loaded.unchanged);
  const upstream::Resolver::Known addresses = resolve(loaded.snapshot->config);  // nothing can go wrong from here on
  for (NewConfig& part : parts) part.addresses = addresses;
  for (std::size_t i = 0; i < loaded.listeners.listeners.size(); ++i) {
    const OpenListener& listener = loaded.listeners.listeners[i];
    if (!loaded.listeners.kept[i]) metrics::log().info("listening on {} (listener {})", listener.address.text(), listener.config.name);
  }
  listeners_.use(std::move(loaded.listeners.listeners), loaded.snapshot->config.timeouts, warnings_);
  snapshot_ = std::move(loaded.snapshot);
  tls_ = std::move(loaded.tls);
  struct Progress {
    std::atomic<std::size_t> missing;
    std::atomic<bool> ok{true};
  };
  const auto progress = std::make_shared<Progress>();
  progress->missing = workers_.size();
  const auto has_it = [this, progress](bool ok) {
    if (!ok) progress->ok = false;
    if (progress->missing.fetch_sub(1) == 1) asio::post(context_, [this, progress] { all_have_it(progress->ok); });
  };
  for (std::size_t index = 0; index < workers_.size(); ++index) workers_[index]->reload(std::move(parts[index]), has_it);
  health_.watch(std::move(watched_upstreams), addresses);  // the workers know the endpoints before they are told of them
  // An answer that came meanwhile went to the endpoints of before.
  for (const auto& [name, known] : resolver_.known()) publish(name, known);
}

void LiveConfig::all_have_it(bool ok) {
  if (!ok) return finish({false, {"memory ran out while the configuration was taken over: it is in force in part; reload again"}, true});
  for (const std::unique_ptr<Worker>& worker : workers_) worker->settle_listeners();
  // What no route and no tunnel counts in any more. The workers' parts of before are gone.
  std::erase_if(tunnel_counts_, [](const auto& named) { return named.second.use_count() == 1; });
  in_force();
  ReloadResult result{true, {"configuration " + std::to_string(generation()) + " is in force: " + *file_}};
  for (const std::string& warning : warnings_) result.lines.push_back("warning: " + warning);
  finish(result);
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
