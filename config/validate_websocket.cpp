// What `websocket` of a route may say together, with itself and with the rest of the file.
#include "config/validate.h"
#include "config/value_text.h"

namespace sluice::config {
namespace {

// RFC 6455 7.4: those that a server may send when it means no fault of the client's.
bool is_going_away_code(unsigned code) {
  return code == 1000 || code == 1001 || code == 1012 || code == 1013 || code >= 3000;
}

void validate_drain(const WebSocketDrain& drain, const Timeouts& timeouts, const std::string& path, Report& report) {
  if (!is_going_away_code(drain.code) && !report.is_wrong(path + ".code")) {
    report.problem(path + ".code", "is \"" + std::to_string(drain.code) + "\"; expected 1000, 1001, 1012, 1013 or 3000 to 4999");
  }
  const bool given = report.mentions(path + ".over") && !report.is_wrong(path + ".over");
  if (given && drain.over >= timeouts.drain) {
    report.problem(path + ".over", "is \"" + duration_text(drain.over) + "\"; expected less than timeouts.drain, which is " +
                                       duration_text(timeouts.drain));
  }
}

void validate_ping(const Ping& ping, const std::string& path, Report& report) {
  if (ping.timeout <= ping.interval || report.is_wrong(path + ".timeout") || report.is_wrong(path + ".interval")) return;
  const bool given = report.mentions(path + ".timeout");
  const std::string key = given ? ".timeout" : ".interval";
  const std::string timeout = duration_text(ping.timeout) + (given ? "" : " by default");
  report.problem(path + key, "makes the timeout, " + timeout + ", longer than the interval, " + duration_text(ping.interval) +
                                 "; expected a timeout of at most the interval");
}

void warn_when_nothing_follows(const SlowConsumer& slow, const std::string& path, Report& report) {
  if (slow.action != SlowConsumer::Action::pause || !report.mentions(path + ".after")) return;
  report.warning(path + ".after", "has no effect with action: pause");
}

void validate_mode(const WebSocketRules& rules, const std::string& path, Report& report) {
  using Compression = WebSocketRules::Compression;
  const bool terminates = rules.mode == WebSocketRules::Mode::terminate;
  if (!terminates && !rules.subprotocols.empty()) {
    report.problem(path + ".subprotocols", "stands beside mode: forward, where the backend chooses; expected mode: terminate");
  }
  if (!terminates && rules.compression == Compression::offload) {
    report.problem(path + ".compression", "is \"offload\" beside mode: forward; expected pass or off, or mode: terminate");
  }
  if (terminates && rules.compression == Compression::pass) {
    report.problem(path + ".compression", "is \"pass\" beside mode: terminate; expected off or offload");
  }
  const bool passes = !terminates && rules.compression.value_or(Compression::pass) == Compression::pass;
  if (rules.validate_utf8 && passes && !report.is_wrong(path + ".compression")) {
    report.problem(path + ".validate_utf8", "cannot look into compressed messages; expected compression: off beside it, or mode: terminate");
  }
}

// Most often an oversight: what is bounded by default is less than a gateway for WebSockets may want. It is connections that are
// bounded; with `auto` the file does not tell what an https endpoint will take.
void warn_when_endpoints_take_fewer(const Config& config, const Route& route, const std::string& path, Report& report) {
  std::uint64_t taken = 0;
  bool may_share = false;
  for (const Upstream& upstream : config.upstreams) {
    if (!route.leads_to(upstream.name)) continue;
    if (!upstream.circuit_breaker.max_connections) return;
    const std::uint64_t on_each = upstream.protocol == UpstreamProtocol::h2 ? upstream.tunnels_per_connection : 1;
    taken += *upstream.circuit_breaker.max_connections * upstream.endpoints.size() * on_each;
    may_share |= upstream.protocol == UpstreamProtocol::negotiated && upstream.uses_https();
  }
  if (taken == 0 || !route.websocket.max_tunnels || *route.websocket.max_tunnels <= taken) return;
  report.warning(path, "is over what the endpoints take, which is " + std::to_string(taken) +
                           "; circuit_breaker.max_connections of the upstream bounds them" +
                           (may_share ? ", unless they share HTTP/2 connections" : ""));
}

void warn_when_one_client_may_take_all(const WebSocketRules& rules, const std::string& path, Report& report) {
  if (!rules.max_tunnels || !rules.max_tunnels_per_client || *rules.max_tunnels_per_client < *rules.max_tunnels) return;
  report.warning(path, "leaves nothing to other clients, max_tunnels is " + std::to_string(*rules.max_tunnels));
}

// What is dropped must not be what later messages were compressed against.
void warn_when_nothing_is_dropped(const WebSocketRules& rules, const std::string& path, Report& report) {
  const bool passes = rules.mode == WebSocketRules::Mode::forward && rules.compression.value_or(WebSocketRules::Compression::pass) == WebSocketRules::Compression::pass;
  if (rules.slow_consumer.action != SlowConsumer::Action::drop || !passes) return;
  report.warning(path + ".slow_consumer.action",
                 "drops nothing where client and backend agree on permessage-deflate; expected compression: off beside it, or mode: terminate");
}

void warn_when_buffer_is_not_to_be_had(const SlowConsumer& slow, const Limits& limits, const std::string& path, Report& report) {
  if (slow.buffer <= limits.max_held_bytes || !report.mentions(path + ".buffer")) return;
  report.warning(path + ".buffer", "is more than all slow clients together may have, limits.max_held_bytes is " + size_text(limits.max_held_bytes));
}

// A limit that another one meets first.
void warn_of_idle_limits(const WebSocketRules& rules, const std::string& path, Report& report) {
  if (rules.max_frame_size && rules.max_message_size && *rules.max_frame_size >= *rules.max_message_size) {
    report.warning(path + ".max_frame_size", "has no effect, max_message_size is " + size_text(*rules.max_message_size));
  }
  const bool given = report.mentions(path + ".idle_timeout");
  if (given && rules.idle_timeout && rules.max_lifetime && *rules.idle_timeout >= *rules.max_lifetime) {
    report.warning(path + ".idle_timeout", "has no effect, max_lifetime is " + duration_text(*rules.max_lifetime));
  }
}

void warn_when_gateway_takes_fewer(const WebSocketRules& rules, const Limits& limits, const std::string& path, Report& report) {
  if (!rules.max_tunnels || *rules.max_tunnels <= limits.max_connections) return;
  report.warning(path, "is over limits.max_connections, which is " + std::to_string(limits.max_connections));
}

// Nobody gets as far as to open one.
void warn_when_there_are_none(const Route& route, const std::string& path, Report& report) {
  if (!report.mentions(path + ".websocket")) return;
  if (route.redirect || route.respond) report.warning(path + ".websocket", "has no effect, the route answers by itself");
  if (route.match.websocket == false) report.warning(path + ".websocket", "has no effect beside match.websocket: false");
}

}  // namespace

void validate_websocket(const Config& config, const Route& route, const std::string& route_path, Report& report) {
  const WebSocketRules& rules = route.websocket;
  const std::string path = route_path + ".websocket";
  if (!report.is_wrong(path + ".mode")) validate_mode(rules, path, report);
  validate_drain(rules.drain, config.timeouts, path + ".drain", report);
  if (rules.ping) validate_ping(*rules.ping, path + ".ping", report);
  warn_when_nothing_follows(rules.slow_consumer, path + ".slow_consumer", report);
  warn_when_nothing_is_dropped(rules, path, report);
  warn_when_buffer_is_not_to_be_had(rules.slow_consumer, config.limits, path + ".slow_consumer", report);
  warn_of_idle_limits(rules, path, report);
  warn_when_gateway_takes_fewer(rules, config.limits, path + ".max_tunnels", report);
  warn_when_endpoints_take_fewer(config, route, path + ".max_tunnels", report);
  warn_when_one_client_may_take_all(rules, path + ".max_tunnels_per_client", report);
  warn_when_there_are_none(route, route_path, report);
  if (rules.tap == Tap::payload && !config.admin) report.warning(path + ".tap", "has no effect without admin, where `sluice tap` asks");
}

}  // namespace sluice::config
