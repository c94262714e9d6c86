// One thread with its event loop and everything that its connections use: nothing of it is shared. Other threads only post to it.
#pragma once

#include <atomic>
#include <thread>

#include "gateway/listener.h"
#include "upstream/endpoint_registry.h"
#include "upstream/resolver.h"

namespace sluice {

// What all workers refer to. Immutable, or safe for any thread by itself.
struct Shared {
  metrics::Registry& registry;
  tls::HeldBytes& held;
  upstream::EndpointRegistry& endpoints;
  ConnectionLimits& connections;
};

// A listener's part for one worker.
struct WorkerListener {
  std::shared_ptr<const config::Listener> config;
  std::shared_ptr<const tls::ServerContext> tls_context;  // null: plain
  tls::Descriptor socket;                // none: another worker accepts for this one
  std::shared_ptr<SharedSocket> shared;  // of a unix socket
};

class Worker {
 public:
  Worker(unsigned index, Shared shared);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // Before start(), from the control thread. `clients`: one TLS context per upstream, null where no endpoint is https.
  // `tunnel_counts`: one per route, shared by all workers.
  // `https_port`: where redirect_to_https leads.
  void install(std::shared_ptr<const proxy::Snapshot> snapshot,
               const std::vector<std::shared_ptr<const tls::ClientContext>>& clients,
               const std::vector<std::shared_ptr<proxy::TunnelCount>>& tunnel_counts, std::uint16_t https_port);
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
