#include "gateway/server.h"

#include <unistd.h>

#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "config/counted.h"
#include "gateway/admin/admin_server.h"
#include "gateway/collect_status.h"
#include "gateway/control_io.h"
#include "gateway/descriptor_limit.h"
#include "gateway/destinations.h"
#include "gateway/health_probe.h"
#include "gateway/live_config.h"
#include "gateway/privileges.h"
#include "gateway/replacement.h"
#include "gateway/roll_call.h"
#include "gateway/service_manager.h"
#include "metrics/lifecycle_metrics.h"
#include "metrics/log.h"
#include "metrics/process_metrics.h"
#include "tls/load_error.h"

namespace sluice {
namespace {

constexpr std::chrono::milliseconds kPingInterval{1000};
constexpr std::chrono::milliseconds kStuckAfter{5000};
constexpr std::chrono::milliseconds kDrainPoll{20};
// A successor that ends so soon after it has said that it serves is made up for: this one serves again.
constexpr std::chrono::milliseconds kStay{1000};  // at least, also when no connection is left
constexpr std::chrono::milliseconds kHold{5000};  // the listening sockets
constexpr std::uint16_t kGoingAway = 1001;
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
  void wait_for_signal();
  void on_signal(int number);
  void ping_workers();
  void terminate();
  void reload();
  void replace();
  void start_successor();
  void loops_expect_it(unsigned number, const RollCall::Outcome& outcome);
  void successor_tells(const Replacement::Outcome& outcome);
  Handover handover();
  void begin_drain(websocket::TunnelSet::Farewell farewell, std::vector<unsigned> held);
  void poll_drain();
  void give_way(const Replacement::Outcome& outcome);
  void watch_successor();
  void drop_held();
  void serve_again();
  void stop_workers();
  std::string unhealthy() const;
  void carry_out(admin::Task task, std::function<void(admin::AdminReply)> done);
  admin::Status status();
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
  const std::time_t started_ = std::time(nullptr);
  Replacement replacement_;
  bool replacing_ = false;
  unsigned replacements_ = 0;  // attempts
  bool reload_wanted_ = false;  // by whoever serves when that is decided
  bool draining_ = false;
  bool told_to_end_ = false;  // by a signal
  Clock::time_point drain_ends_;
  // Of a drain in favour of a successor.
  bool holding_ = false;           // the listening sockets that it has as well
  std::vector<unsigned> dropped_;  // the listeners that it does not have
  Clock::time_point stays_until_;
  Clock::time_point held_until_;
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
      }),
      replacement_(context_, std::move(program)) {
  for (unsigned index = 0; index < worker_count(config); ++index) {
    workers_.push_back(
        std::make_unique<Worker>(index, Shared{registry_, held_, endpoints_, health_, connections_, cookies_, room_wanted_}));
  }
  live_ = std::make_unique<LiveConfig>(std::move(config), std::move(file), InheritedSockets::from_environment(), context_, registry_,
                                       endpoints_, health_, workers_);
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
                        listener.config.tls ? "https and wss" : "http and ws", destinations(config(), live_->upstreams(), listener.config));
  }
  if (const std::string warning = needless_root(config(), ::geteuid()); !warning.empty()) metrics::log().warn("{}", warning);
  live_->in_force();
  metrics::log().info("{} {} {}", config::counted(workers_.size(), "worker"), workers_.size() == 1 ? "serves" : "serve", live_->source());
  live_->listeners().take_place();
  service_manager::ready();
  wait_for_signal();
  ping_workers();
}

void Server::start_admin(ListeningSockets& listening) {
  admin::AdminSources sources;
  sources.metrics = [this] { return registry_.scrape(); };
  sources.unhealthy = [this] { return unhealthy(); };
  sources.ready = [this] { return !draining_; };
  admin_ = std::make_unique<admin::AdminServer>(
      context_, *config().admin, std::move(sources),
      [this](admin::Task task, std::function<void(admin::AdminReply)> done) { carry_out(task, std::move(done)); },
      listening.sockets[0].release());
  admin_->start();
  metrics::log().info("admin on {} -> /metrics /healthz /readyz /status, POST /reload /drain", listening.address.text());
}

void Server::carry_out(admin::Task task, std::function<void(admin::AdminReply)> done) {
  switch (task) {
    case admin::Task::none: return done({});
    case admin::Task::status:
      return collect_status(context_, workers_, status(), [done = std::move(done)](const admin::Status& status) {
        admin::AdminReply reply;
        reply.content_type = "application/json";
        reply.body = admin::to_json(status);
        done(std::move(reply));
      });
    case admin::Task::reload:
      return live_->reload([done = std::move(done)](const ReloadResult& result) { done(reply_to(result)); });
    case admin::Task::drain: {
      admin::AdminReply reply;
      reply.status = 202;
      reply.body = draining_ ? "draining already\n" : "draining\n";
      if (!draining_) terminate();
      return done(std::move(reply));
    }
  }
}

admin::Status Server::status() {
  admin::Status status;
  status.version = SLUICE_VERSION;
  status.pid = static_cast<int>(::getpid());
  status.started = started_;
  status.state = draining_ ? "draining" : replacing_ ? "being replaced" : "serving";
  status.config_file = live_->source();
  status.generation = live_->generation();
  status.config_loaded = live_->loaded_at();
  for (const OpenListener& one : live_->listeners().all()) {
    status.listeners.push_back({one.config.name, one.address.text(), one.config.tls.has_value()});
  }
  for (const config::Upstream& upstream : live_->upstreams()) {
    admin::Status::Upstream& told = status.upstreams.emplace_back();
    told.name = upstream.name;
    for (const config::Endpoint& endpoint : upstream.endpoints) {
      const std::shared_ptr<upstream::EndpointState> state = endpoints_.state_of(upstream.name, endpoint);
      told.endpoints.push_back({endpoint.url, state->in_flight.load(), state->idle.load(), state->connections.load(),
                                upstream::reached_bounds(*state, upstream), state->out.load(), state->reason()});
    }
  }
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
  if (number == SIGUSR2) return replace();
  if (!std::exchange(told_to_end_, true)) {
    if (!draining_) return terminate();
    return metrics::log().info("draining already; a second signal ends it at once");
  }
  metrics::log().warn("second signal: leaving at once");
  stop_workers();
}

void Server::terminate() {
  replacement_.cancel();
  service_manager::stopping();
  begin_drain({kGoingAway, "the gateway is shutting down"}, {});
}

void Server::reload() {
  if (draining_ || !replacing_) return live_->reload({});
  reload_wanted_ = true;
}

void Server::replace() {
  if (::getpid() == 1) {
    return metrics::log().warn("SIGUSR2 is refused: this is the first process of a container, which ends with it; start a new "
                               "container and stop this one, it drains");
  }
  if (draining_ || replacing_) return metrics::log().warn("SIGUSR2 is ignored: the gateway is {}", draining_ ? "draining" : "being replaced already");
  replacing_ = true;
  live_->freeze("the gateway is being replaced", [this] { start_successor(); });
}

void Server::start_successor() {
  if (draining_) return;
  std::vector<std::string> names = worker_names(workers_.size());
  names.emplace_back("the health thread");
  const auto told = [this, number = ++replacements_](const RollCall::Outcome& outcome) { loops_expect_it(number, outcome); };
  const std::shared_ptr<RollCall> call = RollCall::begin(context_, std::move(names), told);
  const auto answer_of = [&call](std::size_t index) { return [answer = call->answer_of(index)] { answer(true); }; };
  for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i]->expect_child(answer_of(i));
  health_.expect_child(answer_of(workers_.size()));
}

void Server::loops_expect_it(unsigned number, const RollCall::Outcome& outcome) {
  if (draining_ || !replacing_ || number != replacements_) return;  // given up meanwhile
  if (!outcome.silent.empty()) return successor_tells({0, outcome.silent + " does not answer", {}});
  try {
    replacement_.start(handover(), [this](const Replacement::Outcome& told) { successor_tells(told); });
  } catch (const std::exception& error) {
    replacement_.cancel();
    successor_tells({0, error.what(), {}});
  }
}

Handover Server::handover() {
  Handover handover;
  handover.discovered = live_->discovered();
  for (const OpenListener& listener : live_->listeners().all()) {
    handover.listening.push_back({listener.config.name, listener.config.address.text(), listener.sockets, listener.ours});
  }
  if (admin_) handover.listening.push_back({"", live_->started_with().admin->address.text(), {admin_->socket()}});
  // A service manager's that no listener has now.
  for (Handover::Sockets& kept : live_->listeners().inherited().kept()) {
    const auto same = [&kept](const Handover::Sockets& one) { return one.address == kept.address; };
    if (std::none_of(handover.listening.begin(), handover.listening.end(), same)) handover.listening.push_back(std::move(kept));
  }
  return handover;
}

void Server::successor_tells(const Replacement::Outcome& outcome) {
  replacing_ = false;
  if (outcome.pid == 0) {
    lifecycle_.replacements_failed.add();
    metrics::log().error("the gateway was not replaced and goes on: {}", outcome.failure);
    live_->thaw();
    if (std::exchange(reload_wanted_, false)) live_->reload({});
    return;
  }
  metrics::log().info("process {} serves in this one's place", outcome.pid);
  service_manager::main_process_is(outcome.pid);
  if (std::exchange(reload_wanted_, false)) ::kill(outcome.pid, SIGHUP);
  give_way(outcome);
}

void Server::give_way(const Replacement::Outcome& outcome) {
  const auto has = [&unused = outcome.unused](int socket) { return std::find(unused.begin(), unused.end(), socket) == unused.end(); };
  std::vector<unsigned> held;
  dropped_.clear();
  for (const OpenListener& listener : live_->listeners().all()) {
    (has(listener.sockets.front()) ? held : dropped_).push_back(listener.id);
  }
  if (admin_) has(admin_->socket()) ? admin_->hold() : admin_->close();
  holding_ = true;
  stays_until_ = Clock::now() + kStay;
  held_until_ = Clock::now() + kHold;
  begin_drain({}, std::move(held));
}

void Server::begin_drain(websocket::TunnelSet::Farewell farewell, std::vector<unsigned> held) {
  draining_ = true;
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
    watch_successor();
    if (!draining_) return;
    const Clock::time_point now = Clock::now();
    const bool told = std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->drained(); });
    const bool stays = holding_ && !told_to_end_ && now < stays_until_;
    const std::int64_t open = connections_.open();
    if ((open > 0 || !told || stays) && now < drain_ends_) return poll_drain();
    if (open > 0) {
      metrics::log().warn("cutting {} that did not end in time", config::counted(static_cast<std::uint64_t>(open), "connection"));
    }
    stop_workers();
  });
}

void Server::watch_successor() {
  const std::optional<Replacement::End> end = replacement_.successors_end();
  if (end && end->on_purpose) {
    metrics::log().info("the process that serves in this one's place has ended");
    return drop_held();
  }
  if (end) {
    lifecycle_.replacements_failed.add();
    const std::string text = "the process that serves in this one's place has ended" + end->how;
    if (holding_ && !told_to_end_) {
      metrics::log().error("{}; this one serves again", text);
      return serve_again();
    }
    metrics::log().error("{}; this one drains and exits: unless a service manager starts the gateway again, nobody serves", text);
  }
  if (Clock::now() >= held_until_) drop_held();
}

void Server::drop_held() {
  if (!std::exchange(holding_, false)) return;
  for (const std::unique_ptr<Worker>& worker : workers_) worker->drop_held();
  if (admin_) admin_->close();
}

// Who was asked to go goes; whoever comes is served.
void Server::serve_again() {
  holding_ = draining_ = false;
  replacement_.forget_successor();
  lifecycle_.draining.set(0);
  service_manager::main_process_is(static_cast<int>(::getpid()));
  for (const std::unique_ptr<Worker>& worker : workers_) worker->serve_again();
  live_->listeners().forget(dropped_);
  live_->thaw();
  try {
    if (admin_) admin_->start();
  } catch (const std::system_error& error) {
    metrics::log().error("the admin listener cannot accept any more: {}", error.what());
  }
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
