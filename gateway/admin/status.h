// What /status tells: the gateway as it is now, as data and as JSON. Collected and used on the control thread.
#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace sluice::admin {

struct Status {
  struct Listener {
    std::string name, address;
    bool tls = false;
    std::vector<std::string> protocols;  // words of listeners.protocols
  };
  struct Endpoint {
    std::string url;
    std::int64_t in_flight = 0;  // requests and tunnels
    std::int64_t idle = 0;       // kept connections
    std::int64_t connections = 0;  // all of them
    std::vector<std::string> full;  // keys of circuit_breaker whose bound is reached
    bool out = false;            // it gets no requests, because of `reason`
    std::string reason;
  };
  struct Upstream {
    std::string name;
    std::vector<Endpoint> endpoints;
  };
  struct Worker {
    std::int64_t connections = 0, tunnels = 0;
    std::int64_t http2_connections = 0, http2_streams = 0;
    bool answered = false;  // false: its tunnels are not among those below
  };
  // What a tunnel belongs to; empty names: to a route or endpoint that is gone, it is leaving.
  using TunnelKind = std::tuple<std::string, std::string, std::string>;  // route, upstream, endpoint

  std::string version;
  int pid = 0;
  std::time_t started = 0;
  std::string state;  // serving, being replaced, draining
  std::string config_file;
  std::int64_t generation = 0;
  std::time_t config_loaded = 0;
  std::vector<Listener> listeners;
  std::vector<Upstream> upstreams;
  std::map<TunnelKind, std::int64_t> tunnels;
  std::vector<Worker> workers;
};

std::string to_json(const Status& status);

}  // namespace sluice::admin
