#include "gateway/server.h"

#include <unistd.h>

#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "config/counted.h"
#include "gateway/admin/admin_server.h"
#include "gateway/collect_sockets.h"
#include "gateway/collect_status.h"
#include "gateway/control_io.h"
#include "gateway/descriptor_limit.h"
#include "gateway/destinations.h"
#include "gateway/health_probe.h"
#include "gateway/live_config.h"
#include "gateway/privileges.h"
#include "gateway/service_manager.h"
#include "gateway/succession.h"
#include "gateway/tap_socket.h"
#include "gateway/websocket/frame.h"
#include "metrics/log.h"
#include "metrics/process_metrics.h"
#include "tls/load_error.h"

namespace sluice {
namespace {

constexpr std::chrono::milliseconds kPingInterval{1000};
constexpr std::chrono::milliseconds kStuckAfter{5000};
constexpr std::chrono::milliseconds kDrainPoll{20};
constexpr std::chrono::milliseconds kStopPatience{3000};

unsigned worker_count(const config::Config& config) {
  return config.workers > 0 ? config.workers : std::max(1u, std::thread::hardware_concurrency());
}

// What the key of the gateway's cookies is made of: the files that gateways side by side share already.
std::vector<std::string> cookie_secrets(const config::Config& config) {
  for (const config::Listener& listener : config.listeners) {
    if (listener.tls && !listener.tls->ticket_keys.empty()) return listener.tls->ticket_keys;
  }
  return {};
}

// 422: the request is right, what is in the file is not. 500: the file is right, the gateway could not take all of it
// over.
admin::AdminReply reply_to(const ReloadResult& result) {
  admin::AdminReply reply;
  reply.status = result.ok ? 200 : result.in_part ? 500 : 422;
  for (const std::string& line : result.lines) reply.body += line + "\n";
  return reply;
}

class Server {
 public:
  Server(config::Config config, std::optional<std::string> file, Program program);
  ~Server();
  // May throw std::system_error (an address cannot be had), ConfigError (certificates and keys) or TlsLoadError.
  void start();
  ExitCode run();

 private:
  void start_admin(ListeningSockets& listening);
  void tell_that_it_serves();
  void wait_for_signal();
  void on_signal(int number);
  void ping_workers();
  void terminate();
  void reload();
  void begin_drain(websocket::TunnelSet::Farewell farewell, std::vector<unsigned> held);
  void poll_drain();
  void serve_again();
  void stop_workers();
  std::string unhealthy() const;
  void carry_out(const admin::AdminReply& asked, std::function<void(admin::AdminReply)> done);
  admin::Status status();
  bool draining() const noexcept { return succession_->draining(); }
  bool being_replaced() const noexcept { return succession_->phase() == Succession::Phase::starting; }
  const config::Config& config() const noexcept { return live_->config(); }

  IoContext context_;
  asio::signal_set signals_;
  Timer ping_timer_;
  Timer drain_timer_;
  metrics::Registry registry_;
  metrics::LifecycleMetrics lifecycle_;
  tls::HeldBytes held_;
  upstream::EndpointRegistry endpoints_;
  ConnectionLimits connections_;
  upstream::HealthMonitor health_;
  const tls::CookieKey cookies_;
  const upstream::RoomWanted room_wanted_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<LiveConfig> live_;
  std::unique_ptr<admin::AdminServer> admin_;
  TapPlaces taps_;
  const std::time_t started_ = std::time(nullptr);
  std::unique_ptr<Succession> succession_;
  bool told_to_end_ = false;  // by a signal
  Clock::time_point drain_ends_;
};

Server::Server(config::Config config, std::optional<std::string> file, Program program)
    : signals_(context_),
      ping_timer_(context_),
      drain_timer_(context_),
      registry_(worker_count(config)),
      lifecycle_(registry_),
      held_(config.limits.max_held_bytes),
      health_(registry_, &probe_health, [this](const upstream::HealthChange& change) {
        for (const std::unique_ptr<Worker>& worker : workers_) worker->health_changed(change);
      }),
      cookies_(cookie_secrets(config)),
      room_wanted_([this](const std::shared_ptr<upstream::EndpointState>& state) {
        for (const std::unique_ptr<Worker>& worker : workers_) worker->give_room(state);
      }) {
  for (unsigned index = 0; index < worker_count(config); ++index) {
    workers_.push_back(
        std::make_unique<Worker>(index, Shared{registry_, held_, endpoints_, health_, connections_, cookies_, room_wanted_}));
  }
  live_ = std::make_unique<LiveConfig>(std::move(config), std::move(file), InheritedSockets::from_environment(), context_, registry_,
                                       endpoints_, health_, workers_);
  const Succession::Gateway gateway{workers_, health_, *live_, admin_, lifecycle_};
  succession_ = std::make_unique<Succession>(context_, std::move(program), gateway,
                                             [this](std::vector<unsigned> held) { begin_drain({}, std::move(held)); });
}

// The workers and the health thread tell each other: all must be there until the last of them has ended. They run here only when the
// gateway could not start after all.
Server::~Server() {
  health_.stop();
  for (const std::unique_ptr<Worker>& worker : workers_) worker->stop();
  for (const std::unique_ptr<Worker>& worker : workers_) worker->join();
}

void Server::start() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // whoever started this one may have it ignored, and then no child's end can be told of
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) signals_.add(number);
  metrics::register_process_metrics(registry_, SLUICE_VERSION);
  connections_.set(raise_descriptor_limit(config().limits.max_connections, static_cast<unsigned>(workers_.size())),
                   config().limits.max_connections_per_client);
  live_->install();
  std::optional<ListeningSockets> admin_sockets;
  if (const std::optional<config::Admin>& admin = config().admin) {
    try {
      admin_sockets = open_listening_sockets(admin->address, 0, 1, live_->listeners().inherited().take("", admin->address));
    } catch (const std::system_error& error) {
      throw ListenError("admin", error);
    }
  }
  health_.start();
  for (const std::unique_ptr<Worker>& worker : workers_) worker->start();
  if (admin_sockets) start_admin(*admin_sockets);
  for (const OpenListener& listener : live_->listeners().all()) {
    metrics::log().info("listening on {} (listener {}, {}) -> {}", listener.address.text(), listener.config.name,
                        spoken(listener.config), destinations(config(), live_->upstreams(), listener.config));
  }
  if (const std::string warning = needless_root(config(), ::geteuid()); !warning.empty()) metrics::log().warn("{}", warning);
  live_->in_force();
  ping_workers();
  asio::post(context_, [this] { tell_that_it_serves(); });
}

// Once the control thread's loop runs: whoever is told may send a signal in the same instant. (Thread sanitizers lose one that comes
// while a thread waits for the first time.) Signals that came before are heard after it.
void Server::tell_that_it_serves() {
  metrics::log().info("{} {} {}", config::counted(workers_.size(), "worker"), workers_.size() == 1 ? "serves" : "serve", live_->source());
  live_->listeners().take_place();
  service_manager::ready();
  wait_for_signal();
}

void Server::start_admin(ListeningSockets& listening) {
  admin::AdminSources sources;
  sources.metrics = [this] { return registry_.scrape(); };
  sources.unhealthy = [this] { return unhealthy(); };
  sources.ready = [this] { return !draining(); };
  admin_ = std::make_unique<admin::AdminServer>(
      context_, *config().admin, std::move(sources),
      [this](const admin::AdminReply& asked, std::function<void(admin::AdminReply)> done) { carry_out(asked, std::move(done)); },
      listening.sockets[0].release());
  admin_->start();
  metrics::log().info("admin on {} -> /metrics /healthz /readyz /status /sockets, POST /reload /drain", listening.address.text());
}

void Server::carry_out(const admin::AdminReply& asked, std::function<void(admin::AdminReply)> done) {
  switch (asked.task) {
    case admin::Task::none: return done({});
    case admin::Task::status:
      return collect_status(context_, workers_, status(), [done = std::move(done)](const admin::Status& status) {
        admin::AdminReply reply;
        reply.content_type = "application/json";
        reply.body = admin::to_json(status);
        done(std::move(reply));
      });
    case admin::Task::list_sockets: return list_sockets(context_, workers_, asked.sockets, std::move(done));
    case admin::Task::tap_socket: return tap_socket(context_, workers_, taps_, asked.sockets, std::move(done));
    case admin::Task::close_sockets: return close_sockets(context_, workers_, asked.sockets, std::move(done));
    case admin::Task::reload:
      return live_->reload([done = std::move(done)](const ReloadResult& result) { done(reply_to(result)); });
    case admin::Task::drain: {
      admin::AdminReply reply;
      reply.status = 202;
      reply.body = draining() ? "draining already\n" : "draining\n";
      if (!draining()) terminate();
      return done(std::move(reply));
    }
  }
}

admin::Status Server::status() {
  admin::Status status = known_status(*live_, endpoints_);
  status.version = SLUICE_VERSION;
  status.pid = static_cast<int>(::getpid());
  status.started = started_;
  status.state = draining() ? "draining" : being_replaced() ? "being replaced" : "serving";
  return status;
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
  live_->tell_of_expired(std::time(nullptr));
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
  if (number == SIGUSR2) return succession_->begin();
  if (!std::exchange(told_to_end_, true)) {
    if (!draining()) return terminate();
    return metrics::log().info("draining already; a second signal ends it at once");
  }
  metrics::log().warn("second signal: leaving at once");
  stop_workers();
}

void Server::terminate() {
  succession_->end();
  service_manager::stopping();
  begin_drain({websocket::kGoingAway, "the gateway is shutting down"}, {});
}

void Server::reload() {
  being_replaced() ? succession_->reload_afterwards() : live_->reload({});
}

void Server::begin_drain(websocket::TunnelSet::Farewell farewell, std::vector<unsigned> held) {
  lifecycle_.draining.set(1);
  live_->freeze("the gateway is shutting down");
  const std::chrono::milliseconds time = config().timeouts.drain;
  drain_ends_ = Clock::now() + time;
  metrics::log().info("draining {}, at most {} ms", config::counted(static_cast<std::uint64_t>(connections_.open()), "connection"), time.count());
  for (const std::unique_ptr<Worker>& worker : workers_) worker->drain(farewell, time, held);
  poll_drain();
}

void Server::poll_drain() {
  drain_timer_.expires_after(kDrainPoll);
  drain_timer_.async_wait([this](const ErrorCode& error) {
    if (error) return;
    if (succession_->watch(told_to_end_)) return serve_again();
    const Clock::time_point now = Clock::now();
    const bool told = std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->drained(); });
    const bool stays = succession_->stays() && !told_to_end_;
    const std::int64_t open = connections_.open();
    if ((open > 0 || !told || stays) && now < drain_ends_) return poll_drain();
    if (open > 0) {
      metrics::log().warn("cutting {} that did not end in time", config::counted(static_cast<std::uint64_t>(open), "connection"));
    }
    stop_workers();
  });
}

void Server::serve_again() {
  lifecycle_.draining.set(0);
  succession_->serve_again();
}

void Server::stop_workers() {
  live_->stop();
  health_.stop();
  if (admin_) admin_->close();
  const std::int64_t cut = connections_.open();
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
  if (cut > 0) {
    metrics::log().warn("ended; {} {} cut", config::counted(static_cast<std::uint64_t>(cut), "connection"), cut == 1 ? "was" : "were");
  } else {
    metrics::log().info("drained");
  }
  context_.stop();
}

ExitCode Server::run() {
  context_.run();
  return ExitCode::done;
}

}  // namespace

ExitCode run_server(config::Config config, std::optional<std::string> file, Program program) {
  try {
    Server server(std::move(config), std::move(file), std::move(program));
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
