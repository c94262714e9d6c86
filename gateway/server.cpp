#include "gateway/server.h"

#include <sys/resource.h>

#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "gateway/admin/admin_server.h"
#include "gateway/control_io.h"
#include "gateway/endpoint_names.h"
#include "gateway/proxy/https_redirect.h"
#include "gateway/reload_rules.h"
#include "config/load.h"
#include "gateway/tls_setup.h"
#include "gateway/worker.h"
#include "metrics/config_metrics.h"
#include "metrics/log.h"
#include "metrics/process_metrics.h"
#include "tls/load_error.h"
#include "tls/vanished_peers.h"

namespace sluice {
namespace {

constexpr std::chrono::milliseconds kPingInterval{1000};
constexpr std::chrono::milliseconds kStuckAfter{5000};
constexpr std::chrono::milliseconds kDrainPoll{20};
constexpr std::chrono::milliseconds kResolvePatience{3000};
constexpr std::chrono::milliseconds kStopPatience{3000};
// Descriptors that are not connections: listeners, logs, epoll, timers, libraries.
constexpr std::uint64_t kReservedDescriptors = 64;

// A client connection usually has one to a backend beside it.
std::int64_t raise_descriptor_limit(std::uint64_t max_connections, unsigned workers) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t reserved = kReservedDescriptors + 8ull * workers;
  const std::uint64_t allowed = limit.rlim_cur > reserved ? (limit.rlim_cur - reserved) / 2 : 1;
  if (allowed >= max_connections) return static_cast<std::int64_t>(max_connections);
  metrics::log().warn("limits.max_connections is {}, but {} open files allow {} connections (two files each); raise the limit of "
                      "open files (LimitNOFILE, ulimit -n) or lower max_connections",
                      max_connections, limit.rlim_cur, allowed);
  return static_cast<std::int64_t>(allowed);
}

unsigned worker_count(const config::Config& config) {
  return config.workers > 0 ? config.workers : std::max(1u, std::thread::hardware_concurrency());
}

// Where a listener leads, for its start-up line.
std::string destinations(const config::Config& config, const config::Listener& listener) {
  std::string text;
  for (const config::Route& route : config.routes) {
    const std::vector<std::string>& only = route.match.listeners;
    if (!only.empty() && std::find(only.begin(), only.end(), listener.name) == only.end()) continue;
    if (!text.empty()) text += ", ";
    text += route.name;
    std::string endpoints;
    for (const config::Upstream& upstream : config.upstreams) {
      if (!route.leads_to(upstream.name)) continue;
      for (const config::Endpoint& endpoint : upstream.endpoints) {
        if (!endpoints.empty()) endpoints += " ";
        endpoints += endpoint.url;
      }
    }
    if (!endpoints.empty()) text += " (" + endpoints + ")";
    if (route.redirect) text += " (redirect)";
    if (route.respond) text += " (fixed answer)";
  }
  return text.empty() ? "no route" : text;
}

// What the key of the gateway's cookies is made of: the files that gateways side by side share already.
std::vector<std::string> cookie_secrets(const config::Config& config) {
  for (const config::Listener& listener : config.listeners) {
    if (listener.tls && !listener.tls->ticket_keys.empty()) return {listener.tls->ticket_keys.front()};
  }
  return {};
}

std::vector<std::uint16_t> ports_of(const std::vector<ListeningSockets>& listening) {
  std::vector<std::uint16_t> ports;
  for (const ListeningSockets& sockets : listening) ports.push_back(sockets.address.port);
  return ports;
}

const char* hint_for(const std::error_code& error) {
  if (error == std::errc::address_in_use) return "is another program, or another Sluice, using it?";
  if (error == std::errc::permission_denied) {
    return "ports under 1024 need root or CAP_NET_BIND_SERVICE (setcap cap_net_bind_service=+ep FILE), "
           "unix sockets a folder that may be written to";
  }
  if (error == std::errc::address_not_available) return "no interface of this machine has this address";
  if (error == std::errc::file_exists) return "something that is no socket stands there";
  if (error == std::errc::no_such_file_or_directory) return "the folder of a unix socket must exist";
  return "the system refused it";
}

class Server {
 public:
  Server(config::Config config, std::optional<std::string> file);
  // May throw std::system_error (an address cannot be had), ConfigError (certificates and keys) or TlsLoadError.
  void start();
  ExitCode run();

 private:
  void load_tls();
  void make_workers(std::vector<ListeningSockets>& listening);
  NewConfig for_worker(std::shared_ptr<const proxy::Snapshot> snapshot, const TlsSetup& tls, const UnchangedTls& unchanged_tls,
                       const upstream::Resolver::Known& addresses);
  upstream::Resolver::Known resolve(const config::Config& config);
  void publish(const upstream::Resolver::Name& name, const std::shared_ptr<const upstream::Addresses>& addresses);
  void reload();
  void take_over(std::shared_ptr<const proxy::Snapshot> next, TlsSetup tls, const UnchangedTls& unchanged);
  void reloaded();
  void reload_failed(const std::vector<std::string>& reasons);
  void config_in_force();
  void start_admin(ListeningSockets& listening);
  void wait_for_signal();
  void on_signal(int number);
  void ping_workers();
  void begin_drain();
  void poll_drain();
  void stop_workers();
  std::string unhealthy() const;
  const config::Config& config() const noexcept { return snapshot_->config; }

  std::shared_ptr<const proxy::Snapshot> snapshot_;  // in force
  const std::optional<std::string> file_;
  const unsigned worker_count_;
  IoContext context_;
  asio::signal_set signals_;
  Timer ping_timer_;
  Timer drain_timer_;
  metrics::Registry registry_;
  metrics::ConfigMetrics config_metrics_;
  tls::HeldBytes held_;
  upstream::EndpointRegistry endpoints_;
  ConnectionLimits connections_;
  const tls::CookieKey cookies_;
  TlsSetup tls_;
  std::uint16_t https_port_ = 443;
  std::map<std::string, std::shared_ptr<proxy::TunnelCount>> tunnel_counts_;  // by route
  std::vector<std::unique_ptr<Worker>> workers_;
  upstream::Resolver resolver_;
  std::unique_ptr<admin::AdminServer> admin_;
  bool draining_ = false;
  Clock::time_point drain_ends_;
};

Server::Server(config::Config initial, std::optional<std::string> file)
    : snapshot_(std::make_shared<const proxy::Snapshot>(std::move(initial))),
      file_(std::move(file)),
      worker_count_(worker_count(config())),
      signals_(context_),
      ping_timer_(context_),
      drain_timer_(context_),
      registry_(worker_count_),
      config_metrics_(registry_),
      held_(config().limits.max_held_bytes),
      cookies_(cookie_secrets(config())),
      resolver_([this](const upstream::Resolver::Name& name, const std::shared_ptr<const upstream::Addresses>& addresses) {
        publish(name, addresses);
      }) {}

void Server::start() {
  std::signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) signals_.add(number);
  metrics::register_process_metrics(registry_, SLUICE_VERSION);
  connections_.set(raise_descriptor_limit(config().limits.max_connections, worker_count_),
                   config().limits.max_connections_per_client);
  load_tls();
  std::vector<ListeningSockets> listening;
  for (const config::Listener& listener : config().listeners) {
    listening.push_back(open_listening_sockets(listener.address, listener.mode, worker_count_));
    if (!config().timeouts.client_write_idle) continue;
    for (const tls::Descriptor& socket : listening.back().sockets) {
      tls::limit_unacknowledged(socket.get(), *config().timeouts.client_write_idle);
    }
  }
  std::optional<ListeningSockets> admin_sockets;
  if (config().admin) admin_sockets = open_listening_sockets(config().admin->address, 0, 1);
  make_workers(listening);
  for (const auto& [name, addresses] : resolve(config())) publish(name, addresses);  // before anybody asks for one
  for (const std::unique_ptr<Worker>& worker : workers_) worker->start();
  if (admin_sockets) start_admin(*admin_sockets);
  for (std::size_t i = 0; i < listening.size(); ++i) {
    const config::Listener& listener = config().listeners[i];
    metrics::log().info("listening on {} (listener {}, {}) -> {}", listening[i].address.text(), listener.name,
                        listener.tls ? "https and wss" : "http and ws", destinations(config(), listener));
  }
  config_in_force();
  metrics::log().info("{} workers serve {}", worker_count_, file_.value_or("without a configuration file"));
  wait_for_signal();
  ping_workers();
}

void Server::load_tls() {
  std::vector<std::string> warnings;
  tls_ = sluice::load_tls(config(), warnings);
  for (const std::string& warning : warnings) metrics::log().warn("{}", warning);
}

void Server::make_workers(std::vector<ListeningSockets>& listening) {
  https_port_ = proxy::https_port(config(), ports_of(listening));
  for (unsigned index = 0; index < worker_count_; ++index) {
    auto& worker = workers_.emplace_back(
        std::make_unique<Worker>(index, Shared{registry_, held_, endpoints_, connections_, cookies_}));
    worker->install(for_worker(snapshot_, tls_, {}, {}));
    std::vector<WorkerListener> listeners;
    for (std::size_t i = 0; i < config().listeners.size(); ++i) {
      const config::Listener& listener = config().listeners[i];
      listeners.push_back({std::make_shared<const config::Listener>(listener), make_context(listener, tls_.listeners[i]),
                           std::move(listening[i].sockets[index]), listening[i].shared});
    }
    worker->add_listeners(std::move(listeners));
  }
}

// A worker's own contexts, and what all share. Open tunnels are counted on by the name of their route.
NewConfig Server::for_worker(std::shared_ptr<const proxy::Snapshot> snapshot, const TlsSetup& tls,
                             const UnchangedTls& unchanged_tls, const upstream::Resolver::Known& addresses) {
  NewConfig next;
  const config::Config& config = snapshot->config;
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    const bool unchanged = !unchanged_tls.upstreams.empty() && unchanged_tls.upstreams[i];
    next.clients.push_back({make_context(config.upstreams[i], tls.upstreams[i]), unchanged});
  }
  for (const config::Route& route : config.routes) {
    std::shared_ptr<proxy::TunnelCount>& count = tunnel_counts_[route.name];
    if (!count) count = std::make_shared<proxy::TunnelCount>(0);
    next.tunnel_counts.push_back(count);
  }
  next.https_port = https_port_;
  next.addresses = addresses;
  next.snapshot = std::move(snapshot);
  return next;
}

// Of all endpoints of `config`; names that are new are waited for a little.
upstream::Resolver::Known Server::resolve(const config::Config& config) {
  EndpointNames names = endpoint_names(config);
  for (const upstream::Resolver::Name& name : resolver_.use(names.to_resolve, kResolvePatience)) {
    metrics::log().warn("{} is not resolved yet; its endpoint gets no requests until it is", name.first);
  }
  upstream::Resolver::Known known = resolver_.known();
  known.merge(names.known);
  return known;
}

void Server::publish(const upstream::Resolver::Name& name, const std::shared_ptr<const upstream::Addresses>& addresses) {
  for (const std::unique_ptr<Worker>& worker : workers_) worker->set_addresses(name, addresses);
}

// The new configuration is complete before the first worker hears of it; whatever is wrong with it changes nothing.
void Server::reload() {
  if (!file_) return metrics::log().warn("there is no configuration file to reload");
  if (draining_) return metrics::log().warn("the configuration is not reloaded: the gateway is shutting down");
  try {
    std::vector<std::string> warnings;
    auto next = std::make_shared<const proxy::Snapshot>(config::load_file(*file_, warnings));
    TlsSetup tls = sluice::load_tls(next->config, warnings);
    const std::vector<std::string> reasons = needs_restart(config(), next->config);
    if (!reasons.empty()) return reload_failed(reasons);
    for (const std::string& later : takes_effect_later(config(), next->config)) warnings.push_back(later);
    for (const std::string& warning : warnings) metrics::log().warn("{}", warning);
    const UnchangedTls unchanged = keep_unchanged(config(), tls_, next->config, tls);
    take_over(std::move(next), std::move(tls), unchanged);
  } catch (const config::ConfigError& error) {
    std::vector<std::string> reasons;
    for (const config::Problem& problem : error.problems()) reasons.push_back(problem.text());
    reload_failed(reasons);
  } catch (const std::exception& error) {
    reload_failed({error.what()});
  }
}

void Server::take_over(std::shared_ptr<const proxy::Snapshot> next, TlsSetup tls, const UnchangedTls& unchanged) {
  const upstream::Resolver::Known addresses = resolve(next->config);
  std::vector<NewConfig> for_workers;
  for (std::size_t index = 0; index < workers_.size(); ++index) {
    NewConfig& one = for_workers.emplace_back(for_worker(next, tls, unchanged, addresses));
    for (std::size_t i = 0; i < next->config.listeners.size(); ++i) {
      const config::Listener& listener = next->config.listeners[i];
      one.listeners.push_back({std::make_shared<const config::Listener>(listener),
                               unchanged.listeners[i] ? nullptr : make_context(listener, tls.listeners[i]),
                               unchanged.listeners[i]});
    }
  }
  snapshot_ = std::move(next);
  tls_ = std::move(tls);
  const auto waiting = std::make_shared<std::atomic<std::size_t>>(workers_.size());
  const auto in_force = [this, waiting] {
    if (waiting->fetch_sub(1) == 1) asio::post(context_, [this] { reloaded(); });
  };
  for (std::size_t index = 0; index < workers_.size(); ++index) {
    workers_[index]->reload(std::move(for_workers[index]), in_force);
  }
  // An answer that came meanwhile went to the endpoints of before.
  for (const auto& [name, known] : resolver_.known()) publish(name, known);
}

// Every worker has taken it over.
void Server::reloaded() {
  config_in_force();
  config_metrics_.reloads_ok.add();
  metrics::log().info("configuration {} is in force: {}", config_metrics_.generation.value(), *file_);
}

void Server::reload_failed(const std::vector<std::string>& reasons) {
  config_metrics_.reloads_failed.add();
  for (const std::string& reason : reasons) metrics::log().error("{}", reason);
  metrics::log().error("the configuration was not reloaded, and nothing has changed");
}

void Server::config_in_force() {
  config_metrics_.generation.add(1);
  config_metrics_.loaded_at.set(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
}

void Server::start_admin(ListeningSockets& listening) {
  admin::AdminSources sources;
  sources.metrics = [this] { return registry_.scrape(); };
  sources.unhealthy = [this] { return unhealthy(); };
  sources.ready = [this] { return !draining_; };
  admin_ = std::make_unique<admin::AdminServer>(context_, *config().admin, std::move(sources),
                                                listening.sockets[0].release());
  admin_->start();
  metrics::log().info("admin on {} -> /metrics /healthz /readyz", listening.address.text());
}

std::string Server::unhealthy() const {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const std::chrono::milliseconds silent = workers_[i]->unanswered_for();
    if (silent > kStuckAfter) {
      return "worker " + std::to_string(i) + " has not answered for " + std::to_string(silent.count()) + " ms";
    }
  }
  return {};
}

void Server::ping_workers() {
  for (const std::unique_ptr<Worker>& worker : workers_) worker->ping();
  ping_timer_.expires_after(kPingInterval);
  ping_timer_.async_wait([this](const ErrorCode& error) {
    if (!error) ping_workers();
  });
}

void Server::wait_for_signal() {
  signals_.async_wait([this](const ErrorCode& error, int number) {
    if (error) return;
    on_signal(number);
    wait_for_signal();
  });
}

void Server::on_signal(int number) {
  if (number == SIGUSR1) return metrics::reopen_logs();
  if (number == SIGHUP) return reload();
  if (!draining_) return begin_drain();
  metrics::log().warn("second signal: leaving at once");
  stop_workers();
}

void Server::begin_drain() {
  draining_ = true;
  drain_ends_ = Clock::now() + config().timeouts.drain;
  metrics::log().info("draining {} connections, at most {} ms", connections_.open(), config().timeouts.drain.count());
  for (const std::unique_ptr<Worker>& worker : workers_) worker->drain(config().timeouts.drain);
  poll_drain();
}

void Server::poll_drain() {
  drain_timer_.expires_after(kDrainPoll);
  drain_timer_.async_wait([this](const ErrorCode& error) {
    if (error) return;
    const bool told = std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->drained(); });
    const std::int64_t open = connections_.open();
    if ((open > 0 || !told) && Clock::now() < drain_ends_) return poll_drain();
    if (open > 0) metrics::log().warn("cutting {} connections that did not end in time", open);
    stop_workers();
  });
}

void Server::stop_workers() {
  resolver_.stop();
  if (admin_) admin_->close();
  for (const std::unique_ptr<Worker>& worker : workers_) worker->stop();
  const Clock::time_point patience = Clock::now() + kStopPatience;
  for (const std::unique_ptr<Worker>& worker : workers_) {
    while (!worker->stopped() && Clock::now() < patience) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!worker->stopped()) {
      // It may still log: the logs cannot be closed under it.
      std::fputs("a worker did not end in time; leaving without it\n", stderr);
      std::_Exit(static_cast<int>(ExitCode::done));
    }
    worker->join();
  }
  metrics::log().info("drained");
  context_.stop();
}

ExitCode Server::run() {
  context_.run();
  return ExitCode::done;
}

}  // namespace

ExitCode run_server(config::Config config, std::optional<std::string> file) {
  try {
    Server server(std::move(config), std::move(file));
    server.start();
    return server.run();
  } catch (const std::system_error& error) {
    metrics::log().error("{}; {}", error.what(), hint_for(error.code()));
    return ExitCode::cannot_start;
  } catch (const tls::TlsLoadError& error) {
    metrics::log().error("{}", error.what());
    return ExitCode::bad_input;
  }
}

}  // namespace sluice
