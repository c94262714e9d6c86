#include "config_text.h"

#include <arpa/inet.h>

#include <sstream>

#include "config/interpolation.h"
#include "config/origin.h"
#include "config/value_text.h"

namespace sluice::config {
namespace {

std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(const OptionalDuration& value) { return value ? duration_text(*value) : "off"; }
std::string text_of(const OptionalCount& value) { return value ? std::to_string(*value) : "off"; }

std::string text_of(const Ping& ping) {
  const char* to = ping.to == Ping::To::client ? "client" : ping.to == Ping::To::backend ? "backend" : "both";
  return "every " + duration_text(ping.interval) + " within " + duration_text(ping.timeout) + " to " + to;
}
std::string text_of(const MessageRate& rate) {
  return rate_text(rate.rate) + " burst " + std::to_string(rate.burst) + (rate.action == MessageRate::Action::close ? " close" : " delay");
}
std::string text_of(const SlowConsumer& slow) {
  using Action = SlowConsumer::Action;
  const char* action = slow.action == Action::pause ? "pause" : slow.action == Action::drop ? "drop" : "close";
  return std::to_string(slow.buffer) + " " + action + " after " + duration_text(slow.after);
}
std::string text_of(Balance balance) {
  switch (balance) {
    case Balance::round_robin: return "round_robin";
    case Balance::least_connections: return "least_connections";
    case Balance::random_two_choices: return "random_two_choices";
    case Balance::hash: return "hash";
  }
  return "?";
}
std::string text_of(const HashOn& hash_on) {
  static const char* const kSources[] = {"client_ip", "header:", "cookie:", "query:", "path"};
  return kSources[static_cast<int>(hash_on.source)] + hash_on.name;
}

std::string text_of(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + value;
  return "[" + text + "]";
}

std::string text_of(const Template& parts) {
  std::string text;
  for (const TemplatePart& part : parts)
    text += part.variable ? "<" + name_of(*part.variable) + ">" : part.text;
  return text;
}

std::string text_of(const Cidr& block) {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(block.v6 ? AF_INET6 : AF_INET, block.bytes, text, sizeof text);
  return std::string(text) + "/" + std::to_string(block.prefix_length);
}

class Writer {
 public:
  explicit Writer(std::string folder) : folder_(std::move(folder)) {}

  void line(const std::string& key, const std::string& value) {
    out_ << indent_ << key << ": " << value << '\n';
  }
  void path(const std::string& key, const std::string& value) {
    line(key, value.rfind(folder_, 0) == 0 ? value.substr(folder_.size()) : value);
  }
  void open(const std::string& heading) {
    out_ << indent_ << heading << '\n';
    indent_ += "  ";
  }
  void close() { indent_.resize(indent_.size() - 2); }
  std::string text() const { return out_.str(); }

 private:
  std::string folder_;
  std::string indent_;
  std::ostringstream out_;
};

void write(Writer& out, const ClientAuth& auth) {
  if (auth.mode == ClientAuthMode::off) return;
  out.line("client_auth.mode", auth.mode == ClientAuthMode::require ? "require" : "request");
  out.path("client_auth.ca", auth.ca);
}

void write(Writer& out, const Listener& listener) {
  out.open("listener " + listener.name);
  const char* family = listener.address.v6 ? " (v6)" : " (v4)";
  out.line("address", listener.address.text() + (listener.address.is_unix() ? "" : family));
  if (listener.address.is_unix()) {
    std::ostringstream mode;
    mode << std::oct << listener.mode;
    out.line("mode", "0" + mode.str());
  }
  out.line("protocols", text_of(listener.protocols));
  for (const Cidr& block : listener.trusted_proxies) out.line("trusted_proxy", text_of(block));
  if (listener.proxy_protocol != ProxyProtocol::off)
    out.line("proxy_protocol", listener.proxy_protocol == ProxyProtocol::accept ? "accept" : "require");
  if (listener.trusts_unix) out.line("trusted_proxy", "unix");
  if (!listener.acme_challenge_directory.empty()) out.path("acme_challenge_directory", listener.acme_challenge_directory);
  if (listener.redirect_to_https) out.line("redirect_to_https", "true");
  if (listener.tls) {
    out.open("tls");
    for (const Certificate& pair : listener.tls->certificates) {
      out.path("certificate", pair.certificate);
      out.path("private_key", pair.private_key);
      if (!pair.ocsp.empty()) out.path("ocsp", pair.ocsp);
    }
    out.line("self_signed", text_of(listener.tls->self_signed));
    out.line("min_version", listener.tls->min_version == TlsVersion::v1_2 ? "1.2" : "1.3");
    write(out, listener.tls->client_auth);
    for (const std::string& file : listener.tls->ticket_keys) out.path("ticket_keys", file);
    out.close();
  }
  out.close();
}

void write(Writer& out, const Http2Limits& limits) {
  out.line("http2.max_concurrent_streams", std::to_string(limits.max_concurrent_streams));
  out.line("http2.max_header_list", size_text(limits.max_header_list));
  out.line("http2.max_resets", limits.max_resets ? rate_text(*limits.max_resets) : "off");
}

void write(Writer& out, const Limits& limits) {
  out.open("limits");
  out.line("max_connections", std::to_string(limits.max_connections));
  if (limits.max_connections_per_client) {
    out.line("max_connections_per_client", text_of(limits.max_connections_per_client));
  }
  out.line("max_request_line", size_text(limits.max_request_line));
  out.line("max_request_head", size_text(limits.max_request_head));
  out.line("max_headers", std::to_string(limits.max_headers));
  out.line("max_request_body", text_of(limits.max_request_body));
  out.line("max_held_bytes", size_text(limits.max_held_bytes));
  if (limits.http2 != Http2Limits{}) write(out, limits.http2);
  out.close();
}

void write(Writer& out, const Timeouts& timeouts) {
  out.open("timeouts");
  out.line("tls_handshake", text_of(timeouts.tls_handshake));
  out.line("request_head", text_of(timeouts.request_head));
  out.line("request_body_idle", text_of(timeouts.request_body_idle));
  out.line("keepalive_idle", text_of(timeouts.keepalive_idle));
  out.line("client_write_idle", text_of(timeouts.client_write_idle));
  out.line("connect", text_of(timeouts.connect));
  out.line("response_head", text_of(timeouts.response_head));
  out.line("response_body_idle", text_of(timeouts.response_body_idle));
  out.line("drain", duration_text(timeouts.drain));
  out.close();
}

void write(Writer& out, const Upstream& upstream) {
  out.open("upstream " + upstream.name);
  for (const Endpoint& endpoint : upstream.endpoints) {
    out.line("endpoint", endpoint.url + " -> " +
                             (endpoint.https         ? "tls "
                              : endpoint.unix_socket ? "unix "
                                                     : "plain ") +
                             endpoint.host + " port " + std::to_string(endpoint.port) + " weight " +
                             std::to_string(endpoint.weight) + " authority " + endpoint.authority());
  }
  out.line("balance", text_of(upstream.balance));
  for (const Discovery& discovery : upstream.discoveries) {
    out.line("discovery", discovery.text() + " weight " + std::to_string(discovery.weight) + " refresh " + duration_text(discovery.refresh));
  }
  if (upstream.balance == Balance::hash) out.line("hash_on", text_of(upstream.hash_on));
  if (upstream.sticky) out.line("sticky", upstream.sticky->cookie + " for " + duration_text(upstream.sticky->ttl));
  if (upstream.slow_start) out.line("slow_start", duration_text(*upstream.slow_start));
  out.path("tls.ca", upstream.tls.ca);
  out.line("tls.server_name", upstream.tls.server_name);
  out.line("tls.verify", text_of(upstream.tls.verify));
  if (!upstream.tls.certificate.empty()) {
    out.path("tls.certificate", upstream.tls.certificate);
    out.path("tls.private_key", upstream.tls.private_key);
  }
  out.line("retries.attempts", std::to_string(upstream.retries.attempts));
  out.line("retries.on_connect", text_of(upstream.retries.on_connect));
  out.line("retries.on_reset", text_of(upstream.retries.on_reset));
  for (const unsigned status : {502, 503, 504}) {
    if (upstream.retries.repeats(status)) out.line("retries.on", std::to_string(status));
  }
  out.line("retries.budget", upstream.retries.budget ? std::to_string(*upstream.retries.budget) + "%" : "off");
  if (upstream.health_check) {
    const HealthCheck& check = *upstream.health_check;
    constexpr const char* kKinds[] = {"http", "tcp", "grpc"};
    out.line("health_check.kind", kKinds[static_cast<std::size_t>(check.kind)]);
    out.line("health_check.path", check.path);
    out.line("health_check.interval", duration_text(check.interval));
    out.line("health_check.timeout", duration_text(check.timeout));
    out.line("health_check.healthy_after", std::to_string(check.healthy_after));
    out.line("health_check.unhealthy_after", std::to_string(check.unhealthy_after));
    out.line("health_check.expect", std::to_string(check.expect.first) + "-" + std::to_string(check.expect.last));
  }
  if (upstream.on_unhealthy == OnUnhealthy::close) out.line("on_unhealthy", "close");
  if (upstream.rebalance) out.line("rebalance.over", duration_text(upstream.rebalance->over));
  out.line("outlier.consecutive_failures", text_of(upstream.outlier.consecutive_failures));
  out.line("outlier.eject_for", duration_text(upstream.outlier.eject_for));
  out.line("outlier.max_ejected", std::to_string(upstream.outlier.max_ejected) + "%");
  if (upstream.circuit_breaker != CircuitBreaker{}) {
    out.line("circuit_breaker.max_connections", text_of(upstream.circuit_breaker.max_connections));
    out.line("circuit_breaker.max_pending", text_of(upstream.circuit_breaker.max_pending));
    out.line("circuit_breaker.max_retries", text_of(upstream.circuit_breaker.max_retries));
    out.line("circuit_breaker in force for retries", text_of(upstream.most_repeats()));
  }
  out.line("pool.max_idle", std::to_string(upstream.pool.max_idle));
  out.line("pool.idle_timeout", text_of(upstream.pool.idle_timeout));
  out.line("pool.max_lifetime", text_of(upstream.pool.max_lifetime));
  if (upstream.protocol != UpstreamProtocol::negotiated)
    out.line("protocol", upstream.protocol == UpstreamProtocol::h2 ? "h2" : "http/1.1");
  if (upstream.tunnels_per_connection != Upstream().tunnels_per_connection)
    out.line("tunnels_per_connection", std::to_string(upstream.tunnels_per_connection));
  if (upstream.proxy_protocol != SendProxyProtocol::off)
    out.line("proxy_protocol", upstream.proxy_protocol == SendProxyProtocol::v1 ? "v1" : "v2");
  out.close();
}

void write(Writer& out, const char* what, const std::vector<FieldMatch>& fields) {
  for (const FieldMatch& field : fields) {
    std::string asked = field.name + " is present";
    if (field.equals) asked = field.name + " = " + *field.equals;
    if (field.regex) asked = field.name + " ~ " + field.regex->pattern();
    out.line(what, asked);
  }
}

void write(Writer& out, const ErrorPages& pages) {
  for (const auto& [status, page] : pages) {
    out.line("error page " + std::to_string(status), page.content_type + ", " + std::to_string(page.body.size()) + " bytes");
  }
}

void write(Writer& out, const RouteMatch& match) {
  out.line("hosts", text_of(match.hosts));
  if (match.path) out.line("path", *match.path);
  if (match.path_prefix) out.line("path_prefix", *match.path_prefix);
  if (match.path_regex) out.line("path_regex", match.path_regex->pattern());
  out.line("methods", text_of(match.methods));
  write(out, "header", match.headers);
  write(out, "query", match.query);
  if (!match.subprotocols.empty()) out.line("subprotocols", text_of(match.subprotocols));
  if (match.websocket) out.line("match websocket", text_of(*match.websocket));
  out.line("listeners", text_of(match.listeners));
}

void write(Writer& out, const std::string& key, const HeaderOperations& headers) {
  for (const HeaderTemplate& header : headers.set)
    out.line(key + ".set", header.name + " = " + text_of(header.value));
  for (const HeaderTemplate& header : headers.add)
    out.line(key + ".add", header.name + " = " + text_of(header.value));
  if (!headers.remove.empty()) out.line(key + ".remove", text_of(headers.remove));
}

void write_action(Writer& out, const Route& route) {
  if (route.upstream) out.line("upstream", *route.upstream);
  if (route.split) {
    for (const SplitSide& side : route.split->to) out.line("split to", side.upstream + " weight " + std::to_string(side.weight));
    out.line("split.sticky", text_of(route.split->sticky));
  }
  if (route.mirror) out.line("mirror", route.mirror->upstream + " " + std::to_string(route.mirror->share) + "%");
  if (route.redirect) {
    out.line("redirect", std::to_string(route.redirect->status) + " " + text_of(route.redirect->to));
  }
  if (route.respond) {
    out.line("respond", std::to_string(route.respond->status) + " " + route.respond->body);
    for (const HeaderTemplate& header : route.respond->headers) {
      out.line("respond header", header.name + " = " + text_of(header.value));
    }
  }
}

void write(Writer& out, const Rewrite& rewrite) {
  if (rewrite.strip_prefix) out.line("rewrite.strip_prefix", *rewrite.strip_prefix);
  if (rewrite.replace_prefix)
    out.line("rewrite.replace_prefix", rewrite.replace_prefix->from + " -> " + rewrite.replace_prefix->to);
  if (rewrite.path_regex)
    out.line("rewrite.path_regex", rewrite.path_regex->match.pattern() + " -> " + rewrite.path_regex->to);
  if (rewrite.host) out.line("rewrite.host", *rewrite.host);
}

void write(Writer& out, const Route& route) {
  out.open("route " + route.name);
  write(out, route.match);
  write_action(out, route);
  if (route.rewrite) write(out, *route.rewrite);
  write(out, "request_headers", route.request_headers);
  write(out, "response_headers", route.response_headers);
  if (route.timeouts.response_head) out.line("response_head", text_of(*route.timeouts.response_head));
  if (route.timeouts.response_body_idle)
    out.line("response_body_idle", text_of(*route.timeouts.response_body_idle));
  if (route.max_request_body) out.line("max_request_body", text_of(*route.max_request_body));
  write(out, route.error_pages);
  if (route.maintenance) out.line("maintenance", "true");
  out.line("websocket.enabled", text_of(route.websocket.enabled));
  if (route.websocket.mode == WebSocketRules::Mode::terminate) out.line("websocket.mode", "terminate");
  for (const std::string& name : route.websocket.subprotocols) out.line("websocket.subprotocol", name);
  if (route.websocket.compression) {
    constexpr const char* kNames[] = {"pass", "off", "offload"};
    out.line("websocket.compression", kNames[static_cast<int>(*route.websocket.compression)]);
  }
  if (route.websocket.validate_utf8) out.line("websocket.validate_utf8", "true");
  out.line("websocket.idle_timeout", text_of(route.websocket.idle_timeout));
  out.line("websocket.max_tunnels", text_of(route.websocket.max_tunnels));
  if (route.websocket.max_tunnels_per_client) {
    out.line("websocket.max_tunnels_per_client", text_of(route.websocket.max_tunnels_per_client));
  }
  if (route.websocket.handshake_rate) out.line("websocket.handshake_rate", rate_text(*route.websocket.handshake_rate));
  for (const AllowedOrigin& origin : route.websocket.origins) out.line("websocket.origin", origin_text(origin));
  const WebSocketRules defaults;
  if (route.websocket.max_message_size != defaults.max_message_size) {
    out.line("websocket.max_message_size", text_of(route.websocket.max_message_size));
  }
  if (route.websocket.max_frame_size) out.line("websocket.max_frame_size", text_of(route.websocket.max_frame_size));
  if (route.websocket.max_lifetime) out.line("websocket.max_lifetime", text_of(route.websocket.max_lifetime));
  if (route.websocket.ping) out.line("websocket.ping", text_of(*route.websocket.ping));
  if (route.websocket.message_rate) out.line("websocket.message_rate", text_of(*route.websocket.message_rate));
  if (route.websocket.slow_consumer != SlowConsumer()) out.line("websocket.slow_consumer", text_of(route.websocket.slow_consumer));
  if (route.websocket.tap != Tap::headers) out.line("websocket.tap", route.websocket.tap == Tap::off ? "off" : "payload");
  if (route.websocket.observe) out.line("websocket.observe", text_of(route.websocket.observe));
  const WebSocketDrain& drain = route.websocket.drain;
  if (drain.code != WebSocketDrain().code || drain.over != WebSocketDrain().over) {
    out.line("websocket.drain", std::to_string(drain.code) + " over " + duration_text(drain.over));
  }
  out.close();
}

void write_service(Writer& out, const Config& config) {
  static constexpr const char* kAccessLogFormats[] = {"json", "combined", "off"};
  static constexpr const char* kLogLevels[] = {"trace", "debug", "info", "warn", "error"};
  static constexpr const char* kLogFormats[] = {"text", "json"};
  if (config.admin) {
    out.line("admin.address", config.admin->address.text());
    out.line("admin.token", config.admin->token);
  }
  out.path("access_log.file", config.access_log.file);
  out.line("access_log.format", kAccessLogFormats[static_cast<int>(config.access_log.format)]);
  out.line("log.level", kLogLevels[static_cast<int>(config.log.level)]);
  out.line("log.format", kLogFormats[static_cast<int>(config.log.format)]);
}

}  // namespace

std::string config_text(const Config& config, const std::string& folder) {
  Writer out(folder);
  if (config.watch) out.line("watch", "true");
  out.line("workers", config.workers == 0 ? "auto" : std::to_string(config.workers));
  for (const Listener& listener : config.listeners) write(out, listener);
  write(out, config.limits);
  write(out, config.timeouts);
  for (const Upstream& upstream : config.upstreams) write(out, upstream);
  if (config.resolver != Resolver()) {
    out.line("resolver.nameservers", text_of(config.resolver.nameservers));
    out.line("resolver.timeout", duration_text(config.resolver.timeout));
  }
  for (const Route& route : config.routes) write(out, route);
  write_service(out, config);
  return out.text();
}

}  // namespace sluice::config
