#include "gateway/admin/status.h"

#include <nlohmann/json.hpp>

namespace sluice::admin {
namespace {

using Json = nlohmann::ordered_json;

std::string time_text(std::time_t time) {
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Json listeners_of(const Status& status) {
  Json listeners = Json::array();
  for (const Status::Listener& one : status.listeners) {
    listeners.push_back({{"name", one.name}, {"address", one.address}, {"tls", one.tls}, {"protocols", one.protocols}});
  }
  return listeners;
}

Json upstreams_of(const Status& status) {
  Json upstreams = Json::array();
  for (const Status::Upstream& upstream : status.upstreams) {
    Json endpoints = Json::array();
    for (const Status::Endpoint& one : upstream.endpoints) {
      Json endpoint{{"url", one.url}, {"state", one.out ? "out" : "in"}};
      if (one.out) endpoint["reason"] = one.reason;
      endpoint["in_flight"] = one.in_flight;
      endpoint["idle"] = one.idle;
      endpoint["connections"] = one.connections;
      if (!one.full.empty()) endpoint["full"] = one.full;
      endpoints.push_back(std::move(endpoint));
    }
    upstreams.push_back({{"name", upstream.name}, {"endpoints", std::move(endpoints)}});
  }
  return upstreams;
}

Json tunnels_of(const Status& status) {
  Json tunnels = Json::array();
  for (const auto& [kind, open] : status.tunnels) {
    const auto& [route, upstream, endpoint] = kind;
    if (route.empty()) {
      tunnels.push_back({{"leaving", true}, {"open", open}});
    } else {
      tunnels.push_back({{"route", route}, {"upstream", upstream}, {"endpoint", endpoint}, {"open", open}});
    }
  }
  return tunnels;
}

Json workers_of(const Status& status) {
  Json workers = Json::array();
  for (const Status::Worker& one : status.workers) {
    workers.push_back({{"connections", one.connections},
                       {"http2_connections", one.http2_connections},
                       {"http2_streams", one.http2_streams},
                       {"tunnels", one.tunnels},
                       {"answered", one.answered}});
  }
  return workers;
}

}  // namespace

std::string to_json(const Status& status) {
  const Json json{{"version", status.version},
                  {"pid", status.pid},
                  {"started", time_text(status.started)},
                  {"state", status.state},
                  {"config",
                   {{"file", status.config_file}, {"generation", status.generation}, {"loaded", time_text(status.config_loaded)}}},
                  {"listeners", listeners_of(status)},
                  {"upstreams", upstreams_of(status)},
                  {"tunnels", tunnels_of(status)},
                  {"workers", workers_of(status)}};
  // Names come from the configuration, which may be in any encoding.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::admin
