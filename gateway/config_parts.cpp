#include "gateway/config_parts.h"

#include "gateway/proxy/https_redirect.h"

namespace sluice {
namespace {

bool same(const std::vector<bool>& flags, std::size_t i) { return i < flags.size() && flags[i]; }

}  // namespace

std::vector<NewConfig> parts_for_workers(std::size_t workers, const std::shared_ptr<const proxy::Snapshot>& snapshot,
                                         const std::vector<config::Upstream>& upstreams, const TlsSetup& tls,
                                         const UnchangedTls& unchanged, OpenListeners::Next& listeners, CountsByRoute& counts) {
  const config::Config& config = snapshot->config;
  std::vector<NewConfig> parts(workers);
  for (std::size_t index = 0; index < parts.size(); ++index) {
    NewConfig& part = parts[index];
    part.snapshot = snapshot;
    part.upstreams = upstreams;
    part.https_port = proxy::https_port(config, ports_of(listeners.listeners));
    for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
      part.clients.push_back({make_context(config.upstreams[i], tls.upstreams[i]), same(unchanged.upstreams, i)});
    }
    for (const config::Route& route : config.routes) {
      proxy::RouteCounts& of_route = counts[route.name];
      of_route.make_for(route.websocket);
      part.route_counts.push_back(of_route.used_by(route.websocket));
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

std::vector<upstream::WatchedUpstream> watched_upstreams(const std::vector<config::Upstream>& upstreams, const TlsSetup& tls,
                                                         const UnchangedTls& unchanged, upstream::EndpointRegistry& endpoints) {
  std::vector<upstream::WatchedUpstream> watched;
  for (std::size_t i = 0; i < upstreams.size(); ++i) {
    const config::Upstream& upstream = upstreams[i];
    upstream::WatchedUpstream& one = watched.emplace_back(upstream::WatchedUpstream{upstream, endpoints.states_of(upstream)});
    if (upstream.health_check) one.tls_context = make_context(upstream, tls.upstreams[i]);
    one.tls_unchanged = same(unchanged.upstreams, i);
  }
  return watched;
}

}  // namespace sluice
