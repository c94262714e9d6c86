#include "gateway/server.h"

#include <sys/resource.h>

#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "gateway/admin/admin_server.h"
#include "gateway/control_io.h"
#include "gateway/proxy/https_redirect.h"
#include "gateway/tls_setup.h"
#include "gateway/worker.h"
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
    if (route.upstream) {
      text += " (";
      for (const config::Upstream& upstream : config.upstreams) {
        if (upstream.name != *route.upstream) continue;
        for (const config::Endpoint& endpoint : upstream.endpoints) {
          if (&endpoint != &upstream.endpoints.front()) text += " ";
          text += endpoint.url;
        }
      }
      text += ")";
    }
    if (route.redirect) text += " (redirect)";
    if (route.respond) text += " (fixed answer)";
  }
  return text.empty() ? "no route" : text;
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
  Server(config::Config config, const std::string& source);
  // May throw std::system_error (an address cannot be had), ConfigError (certificates and keys) or TlsLoadError.
  void start();
  ExitCode run();

 private:
  void load_tls();
  void make_workers(std::vector<ListeningSockets>& listening);
  void start_resolver();
  void start_admin(ListeningSockets& listening);
  void wait_for_signal();
  void on_signal(int number);
  void ping_workers();
  void begin_drain();
  void poll_drain();
  void stop_workers();
  std::string unhealthy() const;

  std::shared_ptr<const proxy::Snapshot> snapshot_;
  const config::Config& config_;
  const std::string source_;
  const unsigned worker_count_;
  IoContext context_;
  asio::signal_set signals_;
  Timer ping_timer_;
  Timer drain_timer_;
  metrics::Registry registry_;
  tls::HeldBytes held_;
  upstream::EndpointRegistry endpoints_;
  ConnectionLimits connections_;
  TlsSetup tls_;
  std::vector<std::shared_ptr<proxy::TunnelCount>> tunnel_counts_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<upstream::Resolver> resolver_;
  std::unique_ptr<admin::AdminServer> admin_;
  bool draining_ = false;
  Clock::time_point drain_ends_;
};

Server::Server(config::Config config, const std::string& source)
    : snapshot_(std::make_shared<const proxy::Snapshot>(std::move(config))),
      config_(snapshot_->config),
      source_(source),
      worker_count_(worker_count(config_)),
      signals_(context_),
      ping_timer_(context_),
      drain_timer_(context_),
      registry_(worker_count_),
      held_(config_.limits.max_held_bytes) {}

void Server::start() {
  std::signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) signals_.add(number);
  metrics::register_process_metrics(registry_, SLUICE_VERSION);
  connections_.set(raise_descriptor_limit(config_.limits.max_connections, worker_count_),
                   config_.limits.max_connections_per_client);
  load_tls();
  std::vector<ListeningSockets> listening;
  for (const config::Listener& listener : config_.listeners) {
    listening.push_back(open_listening_sockets(listener.address, listener.mode, worker_count_));
    if (!config_.timeouts.client_write_idle) continue;
    for (const tls::Descriptor& socket : listening.back().sockets) {
      tls::limit_unacknowledged(socket.get(), *config_.timeouts.client_write_idle);
    }
  }
  std::optional<ListeningSockets> admin_sockets;
  if (config_.admin) admin_sockets = open_listening_sockets(config_.admin->address, 0, 1);
  make_workers(listening);
  start_resolver();  // before anybody asks for an address
  for (const std::unique_ptr<Worker>& worker : workers_) worker->start();
  if (admin_sockets) start_admin(*admin_sockets);
  for (std::size_t i = 0; i < listening.size(); ++i) {
    const config::Listener& listener = config_.listeners[i];
    metrics::log().info("listening on {} (listener {}, {}) -> {}", listening[i].address.text(), listener.name,
                        listener.tls ? "https and wss" : "http and ws", destinations(config_, listener));
  }
  metrics::log().info("{} workers serve {}", worker_count_, source_);
  wait_for_signal();
  ping_workers();
}

void Server::load_tls() {
  std::vector<std::string> warnings;
  tls_ = sluice::load_tls(config_, warnings);
  for (const std::string& warning : warnings) metrics::log().warn("{}", warning);
}

void Server::make_workers(std::vector<ListeningSockets>& listening) {
  for (std::size_t i = 0; i < config_.routes.size(); ++i) {
    tunnel_counts_.push_back(std::make_shared<proxy::TunnelCount>(0));
  }
  for (unsigned index = 0; index < worker_count_; ++index) {
    auto& worker = workers_.emplace_back(
        std::make_unique<Worker>(index, Shared{registry_, held_, endpoints_, connections_}));
    std::vector<std::shared_ptr<const tls::ClientContext>> clients;
    for (std::size_t i = 0; i < config_.upstreams.size(); ++i) {
      clients.push_back(make_context(config_.upstreams[i], tls_.upstreams[i]));
    }
    worker->install(snapshot_, clients, tunnel_counts_, proxy::https_port(config_, ports_of(listening)));
    std::vector<WorkerListener> listeners;
    for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
      const config::Listener& listener = config_.listeners[i];
      listeners.push_back({std::make_shared<const config::Listener>(listener), make_context(listener, tls_.listeners[i]),
                           std::move(listening[i].sockets[index]), listening[i].shared});
    }
    worker->add_listeners(std::move(listeners));
  }
}

void Server::start_resolver() {
  std::vector<upstream::Resolver::Name> names;
  const auto publish = [this](const upstream::Resolver::Name& name, std::shared_ptr<const upstream::Addresses> addresses) {
    for (const std::unique_ptr<Worker>& worker : workers_) worker->set_addresses(name, addresses);
  };
  for (const config::Upstream& upstream : config_.upstreams) {
    for (const config::Endpoint& endpoint : upstream.endpoints) {
      const upstream::Resolver::Name name{endpoint.host, endpoint.port};
      if (endpoint.unix_socket) {
        publish(name, std::make_shared<const upstream::Addresses>(1, upstream::SocketAddress::unix_socket(endpoint.host)));
        continue;
      }
      std::optional<upstream::Addresses> literal = upstream::Resolver::parse_literal(name);
      if (literal) {
        publish(name, std::make_shared<const upstream::Addresses>(std::move(*literal)));
      } else if (std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
      }
    }
  }
  resolver_ = std::make_unique<upstream::Resolver>(std::move(names), publish);
  for (const upstream::Resolver::Name& name : resolver_->start(kResolvePatience)) {
    metrics::log().warn("{} is not resolved yet; its endpoint gets no requests until it is", name.first);
  }
}

void Server::start_admin(ListeningSockets& listening) {
  admin::AdminSources sources;
  sources.metrics = [this] { return registry_.scrape(); };
  sources.unhealthy = [this] { return unhealthy(); };
  sources.ready = [this] { return !draining_; };
  admin_ = std::make_unique<admin::AdminServer>(context_, *config_.admin, std::move(sources),
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
  if (number == SIGHUP) return metrics::log().warn("reloading is not supported yet: restart to use a new configuration");
  if (!draining_) return begin_drain();
  metrics::log().warn("second signal: leaving at once");
  stop_workers();
}

void Server::begin_drain() {
  draining_ = true;
  drain_ends_ = Clock::now() + config_.timeouts.drain;
  metrics::log().info("draining {} connections, at most {} ms", connections_.open(), config_.timeouts.drain.count());
  for (const std::unique_ptr<Worker>& worker : workers_) worker->drain(config_.timeouts.drain);
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
  resolver_->stop();
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

ExitCode run_server(config::Config config, const std::string& source) {
  try {
    Server server(std::move(config), source);
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
