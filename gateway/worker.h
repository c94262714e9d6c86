// One thread with its event loop and everything that its connections use: nothing of it is shared. Other threads only post to it.
#pragma once

#include <atomic>
#include <thread>

#include "gateway/listener.h"
#include "tls/cookie_key.h"
#include "upstream/endpoint_registry.h"
#include "upstream/resolver.h"

namespace sluice {

// What all workers refer to. Immutable, or safe for any thread by itself.
struct Shared {
  metrics::Registry& registry;
  tls::HeldBytes& held;
  upstream::EndpointRegistry& endpoints;
  ConnectionLimits& connections;
  const tls::CookieKey& cookies;
};

// A listener's part for one worker.
struct WorkerListener {
  std::shared_ptr<const config::Listener> config;
  std::shared_ptr<const tls::ServerContext> tls_context;  // null: plain
  tls::Descriptor socket;                // none: another worker accepts for this one
  std::shared_ptr<SharedSocket> shared;  // of a unix socket
};

// A configuration for one worker. Made on the control thread.
struct NewConfig {
  std::shared_ptr<const proxy::Snapshot> snapshot;
  struct ClientTls {
    std::shared_ptr<const tls::ClientContext> context;  // null where no endpoint is https
    bool unchanged = false;                             // since the configuration before
  };
  std::vector<ClientTls> clients;                                  // one per upstream
  std::vector<std::shared_ptr<proxy::TunnelCount>> tunnel_counts;  // one per route, shared by all workers
  std::uint16_t https_port = 443;                                  // where redirect_to_https leads
  upstream::Resolver::Known addresses;                             // of endpoints, as far as they are known
  // Of listeners that are open already, by name; not used by install().
  struct ListenerSettings {
    std::shared_ptr<const config::Listener> config;
    std::shared_ptr<const tls::ServerContext> tls_context;
    bool tls_unchanged = false;  // the context of before goes on
  };
  std::vector<ListenerSettings> listeners;
};

class Worker {
 public:
  Worker(unsigned index, Shared shared);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // From the control thread, before start().
  void install(NewConfig next) { take_over(std::move(next)); }
  // The same at any time: requests begin under it from then on, and those that are under way end under theirs. Tunnels whose
  // route or endpoint is gone are let go. `in_force` is called on the worker's thread when that is so.
  void reload(NewConfig next, std::function<void()> in_force);
  // Any thread; what comes before start() is done first.
  void set_addresses(const upstream::Resolver::Name& name, std::shared_ptr<const upstream::Addresses> addresses);
  void add_listeners(std::vector<WorkerListener> listeners);
  void start() { thread_ = std::thread([this] { run(); }); }

  // From the control thread, at any time.
  // Stops accepting, ends what is idle, says Close to tunnels; each has at most `grace`.
  void drain(std::chrono::milliseconds grace);
  // Cuts what is left and lets the thread end.
  void stop();
  bool drained() const noexcept { return drained_.load(std::memory_order_acquire); }  // drain() has been carried out
  bool stopped() const noexcept { return stopped_.load(std::memory_order_acquire); }
  void join();
  // Asks for a sign of life; unanswered_for() tells how long the oldest question waits.
  void ping();
  std::chrono::milliseconds unanswered_for() const;

 private:
  void run();
  void take_over(NewConfig next);
  void add_sides(const config::Route& route, const std::vector<std::shared_ptr<upstream::Cluster>>& clusters,
                 proxy::RouteServices& added) const;
  std::shared_ptr<upstream::Cluster> cluster_for(const config::Upstream& upstream, NewConfig::ClientTls tls);

  const unsigned index_;
  Shared shared_;
  tls::EventLoop loop_;
  metrics::ConnectionMetrics connection_metrics_;
  metrics::TlsMetrics tls_metrics_;
  tls::WorkerIo io_;
  proxy::Services services_;
  sessions::SessionSet sessions_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::thread thread_;
  std::atomic<bool> drained_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<Clock::rep> asked_at_{0};  // 0: no question is open
};

}  // namespace sluice
