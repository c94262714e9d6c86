#include "gateway/destinations.h"

#include <algorithm>

#include "config/protocol_names.h"

namespace sluice {

std::string spoken(const config::Listener& listener) {
  const std::string names = config::protocol_names(listener.protocols);
  if (listener.tls) return "https and wss, " + names;
  return config::speaks(listener, "h2") ? "http and ws, " + names : "http and ws";
}

std::string destinations(const config::Config& config, const std::vector<config::Upstream>& upstreams,
                         const config::Listener& listener) {
  std::string text;
  for (const config::Route& route : config.routes) {
    const std::vector<std::string>& only = route.match.listeners;
    if (!only.empty() && std::find(only.begin(), only.end(), listener.name) == only.end()) continue;
    if (!text.empty()) text += ", ";
    text += route.name;
    std::string endpoints;
    for (const config::Upstream& upstream : upstreams) {
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

}  // namespace sluice
