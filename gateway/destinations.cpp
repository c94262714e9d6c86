#include "gateway/destinations.h"

#include <algorithm>

namespace sluice {

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
