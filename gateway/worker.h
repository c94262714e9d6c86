// One thread with its event loop and everything that its connections use: nothing of it is shared. Other threads only
// post to it.
#pragma once

#include <atomic>
#include <map>
#include <thread>

#include "gateway/admin/status.h"
#include "gateway/listener.h"
#include "tls/cookie_key.h"
#include "upstream/endpoint_registry.h"
#include "upstream/health_monitor.h"
#include "upstream/resolver.h"

namespace sluice {

// What all workers refer to. Immutable, or safe for any thread by itself.
struct Shared {
  metrics::Registry& registry;
  tls::HeldBytes& held;
  upstream::EndpointRegistry& endpoints;
  upstream::HealthMonitor& health;
  ConnectionLimits& connections;
  const tls::CookieKey& cookies;
  const upstream::RoomWanted& room_wanted;
};

// A listener's part for one worker.
struct WorkerListener {
  unsigned id;
  std::shared_ptr<const config::Listener> config;
  std::shared_ptr<const tls::ServerContext> tls_context;  // null: plain
  bool tls_unchanged = false;                             // the context of before goes on
  // Of one that is new: where it accepts. None and not shared: its sockets are the other workers' alone.
  bool opened = false;
  std::vector<tls::Descriptor> sockets;
  std::shared_ptr<SharedSocket> shared;  // of one at which only the first worker accepts (see SharedSocket)
};

// A configuration for one worker. Made on the control thread.
struct NewConfig {
  std::shared_ptr<const proxy::Snapshot> snapshot;
  struct ClientTls {
    std::shared_ptr<const tls::ClientContext> context;  // null where no endpoint is https
    bool unchanged = false;                             // since the configuration before
  };
  std::vector<config::Upstream> upstreams;                         // the configuration's, with what was discovered
  std::vector<ClientTls> clients;                                  // one per upstream
  std::vector<proxy::RouteCounts> route_counts;                    // one per route, shared by all workers
  std::uint16_t https_port = 443;                                  // where redirect_to_https leads
  upstream::Resolver::Known addresses;                             // of endpoints, as far as they are known
  std::vector<WorkerListener> listeners;                           // the others are closed
};

// The upstreams of the configuration in force, where the discovered endpoints of some have changed. Made on the control thread.
struct NewEndpoints {
  std::shared_ptr<const proxy::Snapshot> snapshot;
  std::vector<config::Upstream> upstreams;  // all, with what was discovered
  upstream::Resolver::Known addresses;      // of endpoints, as far as they are known
};

class Worker {
 public:
  Worker(unsigned index, Shared shared);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // From the control thread, before start().
  void install(NewConfig next) { take_over(std::move(next)); }
  // Begins to accept. Throws std::system_error. Every worker has its configuration by then.
  void start();
  // A configuration at any time after that: requests begin under it from then on, and those that are under way end
  // under theirs. Tunnels whose route or endpoint is gone are let go. `in_force` is called on the worker's thread when
  // that is so; with false when memory ran out on the way.
  void reload(NewConfig next, std::function<void(bool)> in_force);
  // The same routes lead to other endpoints from then on. Does nothing when the worker has another configuration.
  void change_endpoints(std::shared_ptr<const NewEndpoints> next, std::function<void(bool)> in_force);
  // The second half of reload(), when every worker has the configuration: new listeners begin to accept, closed ones go.
  void settle_listeners();
  // Any thread; what comes before start() is done first.
  void set_addresses(const upstream::Resolver::Name& name, std::shared_ptr<const upstream::Addresses> addresses);
  // From the health monitor.
  void health_changed(const upstream::HealthChange& change);
  // From another worker: closes a connection that is kept idle to this endpoint, if there is one.
  void give_room(std::shared_ptr<upstream::EndpointState> state);

  // From the control thread, at any time.
  // Stops accepting, ends what is idle, lets tunnels go within `grace`. `held`: the listeners with which another
  // process goes on; their sockets are kept until drop_held() or the end.
  void drain(websocket::TunnelSet::Farewell farewell, std::chrono::milliseconds grace, std::vector<unsigned> held);
  void drop_held();
  // The other process has ended: the listeners that are held accept again, and nobody is asked to go any more.
  void serve_again();
  // Before a child process is started; `ready` is called on the worker's thread. See
  // EventLoop::expect_shared_descriptors().
  void expect_child(std::function<void()> ready);
  // Cuts what is left and lets the thread end.
  void stop();
  bool drained() const noexcept { return drained_.load(std::memory_order_acquire); }  // drain() has been carried out
  bool stopped() const noexcept { return stopped_.load(std::memory_order_acquire); }
  void join();
  // Asks for a sign of life; unanswered_for() tells how long the oldest question waits.
  void ping();
  std::chrono::milliseconds unanswered_for() const;
  // Counts its tunnels by what they belong to; `done` is called on the worker's thread.
  void count_tunnels(std::function<void(std::map<admin::Status::TunnelKind, std::int64_t>)> done);
  // Shows its tunnels to `visit` (websocket::walk_tunnels()); both are called on the worker's thread.
  void walk_tunnels(std::size_t per_turn, std::function<void(websocket::Tunnel&)> visit, std::function<void()> done);
  std::int64_t connections() const noexcept { return connection_metrics_.open.value(); }
  std::int64_t http2_connections() const noexcept { return http2_metrics_.connections_open.value(); }
  std::int64_t http2_streams() const noexcept { return http2_metrics_.streams_open.value(); }
  std::int64_t tunnels() const noexcept { return services_.tunnels.size(); }

 private:
  void run();
  void take_over(NewConfig next);
  void take_over(const NewEndpoints& next);
  void in_force(const char* what, const std::function<void()>& take, const std::function<void(bool)>& told);
  void take_over(std::vector<WorkerListener> listeners);
  void part_with_orphans(const proxy::Generation& before);
  void add(WorkerListener listener);
  static void retire_clusters(const proxy::Generation& before, const proxy::Generation& next);
  admin::Status::TunnelKind name_of(const void* route, const void* endpoint) const;
  std::shared_ptr<const proxy::StickyCookie> sticky_for(const upstream::Cluster& cluster) const;
  std::vector<proxy::RouteServices::Side> all_sides(const proxy::Generation& generation) const;
  void add_sides(const config::Route& route, const std::vector<proxy::RouteServices::Side>& sides,
                 proxy::RouteServices& added) const;
  std::shared_ptr<upstream::Cluster> cluster_for(const config::Upstream& upstream, NewConfig::ClientTls tls);

  const unsigned index_;
  Shared shared_;
  tls::EventLoop loop_;
  metrics::ConnectionMetrics connection_metrics_;
  metrics::TlsMetrics tls_metrics_;
  metrics::Http2Metrics http2_metrics_;
  tls::WorkerIo io_;
  proxy::Services services_;
  sessions::SessionSet sessions_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  // Of every generation that a request may still be under: a handshake that began under an earlier one must hear, too,
  // that its endpoint goes.
  std::vector<std::weak_ptr<upstream::Cluster>> clusters_;
  std::thread thread_;
  std::atomic<bool> drained_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<Clock::rep> asked_at_{0};  // 0: no question is open
};

}  // namespace sluice
