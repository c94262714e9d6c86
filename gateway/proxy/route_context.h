// What a matched request carries through the stages: its route, and the values that were made once from its head.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/route_config.h"
#include "gateway/http/forwarded.h"
#include "gateway/proxy/services.h"

namespace sluice::proxy {

class PendingMirror;

struct RouteContext {
  const config::Route* route = nullptr;
  RouteServices* services = nullptr;
  upstream::Cluster* cluster = nullptr;  // that the request goes to; the generation owns it
  const StickyCookie* sticky = nullptr;  // null: its upstream is not
  std::optional<StickyCookie::Found> kept;  // what the client's cookie says
  std::size_t endpoint = 0;              // that was picked last
  PendingMirror* mirror = nullptr;       // null: the route has none
  std::string_view new_cookie;           // of a sticky split: what the client is to keep; empty: it has it
  std::string_view path;           // the client's, normalised
  std::string path_storage;        // holds it when it is not as it came
  std::string_view upstream_path;  // what the upstream is asked for: the same, unless the route rewrites it
  std::string upstream_path_storage;
  bool websocket = false;        // a valid WebSocket handshake
  bool observed_origin = false;  // whose page may not open it, but `observe` lets it
  http::Origin origin;           // the believed client
  std::vector<std::string_view> named;  // what the request's Connection named: not for the backend, in trailers either
  bool accepts_trailers = false;        // TE said so; that field itself is for the gateway alone
  std::optional<std::uint64_t> hash_key;  // for `balance: hash`, of the request as it came
  config::OptionalSize max_body;
  config::OptionalDuration response_head_timeout;
  config::OptionalDuration response_body_idle;
};

}  // namespace sluice::proxy
