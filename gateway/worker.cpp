#include "gateway/worker.h"

#include <pthread.h>

#include <algorithm>

#include "gateway/http/parse_error.h"
#include "gateway/proxy/make_tunnel_rules.h"
#include "gateway/proxy/rebalance.h"
#include "gateway/proxy/split.h"
#include "gateway/sessions/linger.h"
#include "gateway/websocket/tunnel_walk.h"
#include "metrics/log.h"
#include "metrics/signals_blocked.h"
#include "upstream/rebalance.h"

namespace sluice {
namespace {

std::vector<std::string_view> parse_error_names() {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < static_cast<std::size_t>(http::ParseError::count_); ++i) {
    names.push_back(http::name_of(static_cast<http::ParseError>(i)));
  }
  return names;
}

}  // namespace

Worker::Worker(unsigned index, Shared shared)
    : index_(index),
      shared_(shared),
      connection_metrics_(shared.registry, index, parse_error_names()),
      tls_metrics_(shared.registry, index),
      http2_metrics_(shared.registry, index),
      io_(loop_, shared.held, connection_metrics_),
      services_{io_, tls_metrics_, http2_metrics_, proxy::Cells(shared.registry, index)} {
  services_.tunnels.set_see_off(
      [this](tls::DuplexPtr client) { loop_.spawn(sessions::see_off(services_, sessions_, std::move(client))); });
}

// Still running only when the gateway could not start after all.
Worker::~Worker() {
  if (!thread_.joinable()) return;
  stop();
  join();
}

// The one place where a cluster takes another one's place, at a reload or because other endpoints were discovered. One that has not
// changed goes on as it is, with the balancer's memory.
std::shared_ptr<upstream::Cluster> Worker::cluster_for(const config::Upstream& upstream, NewConfig::ClientTls tls) {
  std::shared_ptr<upstream::Cluster> before;
  if (services_.generation) {
    for (const std::shared_ptr<upstream::Cluster>& running : services_.generation->clusters) {
      if (running->settings().name == upstream.name) before = running;
    }
  }
  if (before && tls.unchanged && before->settings() == upstream) return before;
  const auto fails = [&health = shared_.health](const auto& state, std::string_view reason) { health.failing(state, reason); };
  auto now = std::make_shared<upstream::Cluster>(io_, upstream, shared_.endpoints, std::move(tls.context),
                                                 services_.cells.upstream(upstream.name), fails, shared_.room_wanted);
  if (before) now->take_over(*before, tls.unchanged);
  std::erase_if(clusters_, [](const auto& cluster) { return cluster.expired(); });
  clusters_.push_back(now);
  return now;
}

std::shared_ptr<const proxy::StickyCookie> Worker::sticky_for(const upstream::Cluster& cluster) const {
  if (!cluster.settings().sticky) return nullptr;
  return std::make_shared<const proxy::StickyCookie>(shared_.cookies, cluster.settings());
}

// One for each cluster: a sticky one's codes are made once, however many routes lead there.
std::vector<proxy::RouteServices::Side> Worker::all_sides(const proxy::Generation& generation) const {
  std::vector<proxy::RouteServices::Side> sides;
  for (const std::shared_ptr<upstream::Cluster>& cluster : generation.clusters) sides.push_back({cluster, {}, sticky_for(*cluster)});
  return sides;
}

// In the order of the split.
void Worker::add_sides(const config::Route& route, const std::vector<proxy::RouteServices::Side>& sides,
                       proxy::RouteServices& added) const {
  const auto add = [&](const std::string& upstream) {
    added.sides.push_back(*std::find_if(sides.begin(), sides.end(), [&upstream](const proxy::RouteServices::Side& side) {
      return side.cluster->settings().name == upstream;
    }));
  };
  if (route.upstream) add(*route.upstream);
  if (!route.split) return;
  for (const config::SplitSide& side : route.split->to) {
    add(side.upstream);
    if (route.split->sticky) added.sides.back().cookies = proxy::split_cookie_values(shared_.cookies, route, side);
  }
}

void Worker::take_over(NewConfig next) {
  std::vector<WorkerListener> listeners = std::move(next.listeners);
  auto generation = std::make_shared<proxy::Generation>(std::move(next.snapshot), services_.cells.route("none"));
  generation->https_port = next.https_port;
  const config::Config& config = generation->config();
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    generation->clusters.push_back(cluster_for(next.upstreams[i], std::move(next.clients[i])));
    for (const auto& [name, addresses] : next.addresses) {
      generation->clusters.back()->set_addresses(name.first, name.second, addresses);
    }
  }
  const std::vector<proxy::RouteServices::Side> sides = all_sides(*generation);
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const config::Route& route = config.routes[i];
    proxy::RouteServices& added = generation->routes.emplace_back(services_.cells.route(route.name), next.route_counts[i]);
    added.tunnel_rules = proxy::make_tunnel_rules(route.websocket, config.timeouts.drain);
    add_sides(route, sides, added);
    for (const std::shared_ptr<upstream::Cluster>& cluster : generation->clusters) {
      const bool mirrored = route.mirror && route.mirror->upstream == cluster->settings().name;
      if (mirrored) added.mirror.emplace(proxy::RouteServices::Mirror{cluster, services_.cells.mirror(route.name)});
    }
  }
  if (services_.generation) retire_clusters(*services_.generation, *generation);
  services_.generation = std::move(generation);
  take_over(std::move(listeners));
}

// Requests that began under the configuration of before go on. What an upstream that is gone kept idle is closed; where another cluster
// took its place, that has been seen to.
void Worker::retire_clusters(const proxy::Generation& before, const proxy::Generation& next) {
  for (const std::shared_ptr<upstream::Cluster>& cluster : before.clusters) {
    if (next.cluster(cluster->settings().name) == nullptr) cluster->drain();
  }
}

// Requests that are under way end with the clusters that they have.
void Worker::take_over(const NewEndpoints& next) {
  if (services_.generation->snapshot != next.snapshot) return;
  auto generation = std::make_shared<proxy::Generation>(*services_.generation);
  for (std::size_t i = 0; i < generation->clusters.size(); ++i) {
    const std::shared_ptr<upstream::Cluster> before = generation->clusters[i];
    const std::shared_ptr<upstream::Cluster> now = cluster_for(next.upstreams[i], {before->tls_context(), true});
    if (now == before) continue;
    for (const auto& [name, addresses] : next.addresses) now->set_addresses(name.first, name.second, addresses);
    generation->clusters[i] = now;
    const std::shared_ptr<const proxy::StickyCookie> sticky = sticky_for(*now);
    for (proxy::RouteServices& route : generation->routes) {
      for (proxy::RouteServices::Side& side : route.sides) {
        if (side.cluster != before) continue;
        side.cluster = now;
        side.sticky = sticky;
      }
      if (route.mirror && route.mirror->cluster == before) route.mirror.emplace(proxy::RouteServices::Mirror{now, route.mirror->metrics});
    }
  }
  services_.generation = std::move(generation);
}

void Worker::take_over(std::vector<WorkerListener> listeners) {
  for (const std::unique_ptr<Listener>& running : listeners_) {
    const auto next = std::find_if(listeners.begin(), listeners.end(),
                                   [&](const WorkerListener& listener) { return listener.id == running->id(); });
    if (next == listeners.end()) {
      running->close();
      continue;
    }
    running->renew(next->config);
    if (!next->tls_unchanged) running->renew_tls(next->tls_context);
  }
  for (WorkerListener& listener : listeners) {
    if (listener.opened) add(std::move(listener));
  }
}

void Worker::add(WorkerListener listener) {
  if (listener.shared && listener.sockets.empty()) listener.sockets.emplace_back();
  for (tls::Descriptor& socket : listener.sockets) {
    listeners_.push_back(std::make_unique<Listener>(services_, sessions_, shared_.connections, listener.config,
                                                    listener.tls_context,
                                                    Listener::Socket{listener.id, std::move(socket), listener.shared, index_}));
  }
}

void Worker::start() {
  for (const std::unique_ptr<Listener>& listener : listeners_) listener->start();
  const metrics::SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
}

void Worker::reload(NewConfig next, std::function<void(bool)> in_force_now) {
  // The task is copied on its way; what it carries moves once.
  loop_.post([this, carried = std::make_shared<NewConfig>(std::move(next)), told = std::move(in_force_now)] {
    in_force("the configuration", [&] { take_over(std::move(*carried)); }, told);
  });
}

void Worker::change_endpoints(std::shared_ptr<const NewEndpoints> next, std::function<void(bool)> in_force_now) {
  loop_.post([this, next = std::move(next), told = std::move(in_force_now)] {
    in_force("the endpoints that were discovered", [&] { take_over(*next); }, told);
  });
}

void Worker::in_force(const char* what, const std::function<void()>& take, const std::function<void(bool)>& told) {
  bool ok = true;
  try {
    const std::shared_ptr<proxy::Generation> before = services_.generation;
    take();
    part_with_orphans(*before);
  } catch (const std::exception& error) {  // memory ran out: the next one may do better, and must not wait for this one
    metrics::log().error("worker {} could not take {} over: {}", index_, what, error.what());
    ok = false;
  }
  told(ok);
}

// Tunnels whose route or endpoint is gone leave, and some move to endpoints that joined.
void Worker::part_with_orphans(const proxy::Generation& before) {
  const proxy::Generation& current = *services_.generation;
  services_.tunnels.leave_if([&current](const websocket::Tunnel& tunnel) { return !current.has(tunnel); });
  for (const std::shared_ptr<upstream::Cluster>& cluster : current.clusters) {
    const upstream::Cluster* predecessor = before.cluster(cluster->settings().name);
    if (predecessor == nullptr || predecessor == cluster.get()) continue;
    if (!predecessor->settings().rebalance && !cluster->settings().rebalance) continue;
    const bool joined = upstream::any_joined(predecessor->endpoints(), cluster->endpoints());
    proxy::rebalance(*cluster, joined, services_.tunnels, services_.random);
  }
}

// A closed part of a shared socket stays until the worker that accepted there has closed it too: connections were on
// their way.
void Worker::settle_listeners() {
  loop_.post([this] {
    // All of them are closing, each worker in its time: the parts of others may still be handed connections.
    if (services_.draining) return;
    std::erase_if(listeners_, [](const std::unique_ptr<Listener>& listener) { return listener->closed(); });
    for (const std::unique_ptr<Listener>& listener : listeners_) {
      try {
        listener->start();
      } catch (const std::exception& error) {  // the others are to begin all the same
        metrics::log().error("{}; it is tried again", error.what());
        listener->start_later();
      }
    }
  });
}

void Worker::set_addresses(const upstream::Resolver::Name& name, std::shared_ptr<const upstream::Addresses> addresses) {
  loop_.post([this, name, addresses = std::move(addresses)] {
    for (const std::shared_ptr<upstream::Cluster>& cluster : services_.generation->clusters) {
      cluster->set_addresses(name.first, name.second, addresses);
    }
  });
}

void Worker::health_changed(const upstream::HealthChange& change) {
  loop_.post([this, change] {
    if (change.tunnels_leave) {
      services_.tunnels.leave_if([&change](const websocket::Tunnel& tunnel) { return tunnel.endpoint() == change.state.get(); });
    }
    for (const std::weak_ptr<upstream::Cluster>& known : clusters_) {
      const std::shared_ptr<upstream::Cluster> cluster = known.lock();
      const bool concerned = cluster && cluster->health_changed(change);
      const bool current = concerned && services_.generation->cluster(cluster->settings().name) == cluster.get();
      if (current && cluster->settings().rebalance) proxy::rebalance(*cluster, !change.out, services_.tunnels, services_.random);
    }
  });
}

void Worker::give_room(std::shared_ptr<upstream::EndpointState> state) {
  loop_.post([this, state = std::move(state)] {
    state->room_asked = false;
    for (const std::shared_ptr<upstream::Cluster>& cluster : services_.generation->clusters) cluster->give_room(state.get());
  });
}

void Worker::run() {
  const std::string name = "worker-" + std::to_string(index_);
  ::pthread_setname_np(::pthread_self(), name.c_str());
  while (!loop_.finished()) {
    try {
      loop_.run();
    } catch (const std::exception& error) {  // what it belonged to is lost; everybody else goes on
      metrics::log().error("worker {}: {}", index_, error.what());
    }
  }
  stopped_.store(true, std::memory_order_release);
}

void Worker::expect_child(std::function<void()> ready) {
  loop_.post([this, ready = std::move(ready)] {
    loop_.expect_shared_descriptors();
    ready();
  });
}

void Worker::drain(websocket::TunnelSet::Farewell farewell, std::chrono::milliseconds grace, std::vector<unsigned> held) {
  loop_.post([this, farewell = std::move(farewell), grace, held = std::move(held)] {
    services_.draining = true;
    for (const std::unique_ptr<Listener>& listener : listeners_) {
      std::find(held.begin(), held.end(), listener->id()) == held.end() ? listener->close() : listener->hold();
    }
    sessions_.drain();
    services_.tunnels.leave_all(farewell, grace);
    drained_.store(true, std::memory_order_release);
  });
}

void Worker::drop_held() {
  loop_.post([this] {
    for (const std::unique_ptr<Listener>& listener : listeners_) {
      if (listener->held()) listener->close(true);
    }
  });
}

void Worker::serve_again() {
  drained_.store(false, std::memory_order_release);
  loop_.post([this] {
    drained_.store(false, std::memory_order_release);
    services_.draining = false;
    services_.tunnels.stay();
    for (const std::unique_ptr<Listener>& listener : listeners_) listener->take_back();
  });
}

void Worker::count_tunnels(std::function<void(std::map<admin::Status::TunnelKind, std::int64_t>)> done) {
  loop_.post([this, done = std::move(done)] {
    std::map<std::pair<const void*, const void*>, std::int64_t> counts;
    services_.tunnels.visit([&](const websocket::Tunnel& tunnel) { ++counts[{tunnel.route(), tunnel.endpoint()}]; });
    std::map<admin::Status::TunnelKind, std::int64_t> named;
    for (const auto& [kind, count] : counts) named[name_of(kind.first, kind.second)] += count;
    done(std::move(named));
  });
}

void Worker::walk_tunnels(std::size_t per_turn, std::function<void(websocket::Tunnel&)> visit, std::function<void()> done) {
  loop_.post([this, per_turn, visit = std::move(visit), done = std::move(done)] {
    loop_.spawn(websocket::walk_tunnels(loop_, services_.tunnels, per_turn, visit, done));
  });
}

admin::Status::TunnelKind Worker::name_of(const void* route, const void* endpoint) const {
  const proxy::Generation& current = *services_.generation;
  const std::optional<proxy::Generation::Home> home = current.home_of(route, endpoint);
  if (!home) return {};
  return {current.config().routes[home->route].name, home->upstream.name, home->endpoint.url};
}

void Worker::stop() {
  loop_.post([this] {
    services_.draining = true;
    for (const std::unique_ptr<Listener>& listener : listeners_) listener->close();
    sessions_.cut_all();
    services_.tunnels.cut_all();
    services_.mirrors.cut_all();
    for (const std::shared_ptr<upstream::Cluster>& cluster : services_.generation->clusters) cluster->drain();
    io_.wheel.stop();
    loop_.finish();
  });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::ping() {
  Clock::rep none = 0;
  const Clock::rep now = Clock::now().time_since_epoch().count();
  if (!asked_at_.compare_exchange_strong(none, now)) return;  // the last one is still open
  loop_.post([this, now] {
    const Clock::duration waited = Clock::now().time_since_epoch() - Clock::duration(now);
    connection_metrics_.loop_lag.observe(std::chrono::duration<double>(waited).count());
    asked_at_.store(0);
  });
}

std::chrono::milliseconds Worker::unanswered_for() const {
  const Clock::rep asked = asked_at_.load();
  if (asked == 0) return {};
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch() - Clock::duration(asked));
}

}  // namespace sluice
