// `upstreams`.
#include "config/sections.h"

namespace sluice::config {
namespace {

constexpr std::uint64_t kMostAttempts = 10;
constexpr std::uint64_t kMostIdle = 1'000'000;
constexpr std::uint64_t kMostFailures = 1'000;
constexpr std::uint64_t kMostPlaces = 1'000'000;
constexpr std::uint64_t kMostChecks = 100;
constexpr std::uint64_t kMostTunnels = 10'000;
constexpr std::uint64_t kShortestInterval = 50;  // ms

const Table<UpstreamTls>& tls_table() {
  static const Table<UpstreamTls> table{
      file_path("ca", &UpstreamTls::ca, true),
      parsed("server_name", &UpstreamTls::server_name, parse_server_name, "a host name"),
      boolean("verify", &UpstreamTls::verify),
      file_path("certificate", &UpstreamTls::certificate, true),
      file_path("private_key", &UpstreamTls::private_key, true),
  };
  return table;
}

// `on` replaces the default as a whole.
Key<Retries> retry_on_key() {
  static constexpr bool Retries::*kMembers[] = {&Retries::on_connect, &Retries::on_reset, &Retries::on_502, &Retries::on_503,
                                                &Retries::on_504};
  KeyInfo info = list_info("on", "connect, reset, 502, 503 or 504", 0);
  info.words = {"connect", "reset", "502", "503", "504"};
  return {std::move(info), [](const Value& value, const KeyInfo& row, Retries& retries) {
            for (bool Retries::*member : kMembers) retries.*member = false;
            for (const Value& element : read_list(value, row)) {
              if (const auto index = read_word(element, row)) retries.*kMembers[*index] = true;
            }
          }};
}

Fault parse_budget(const std::string& text, std::optional<unsigned>& percent) {
  percent = parse_percent(text);
  if (!percent && text != "off") return "is " + in_quotes(text) + "; expected off or " + kShareExpected;
  return {};
}

const Table<Retries>& retries_table() {
  static const Table<Retries> table{
      integer("attempts", &Retries::attempts, {1, kMostAttempts}),
      retry_on_key(),
      parsed("budget", &Retries::budget, parse_budget, std::string("off or ") + kShareExpected),
  };
  return table;
}

const Table<Outlier>& outlier_table() {
  static const Table<Outlier> table{
      integer("consecutive_failures", &Outlier::consecutive_failures, {1, kMostFailures}),
      duration("eject_for", &Outlier::eject_for, 1),
      parsed("max_ejected", &Outlier::max_ejected, parse_share, kShareExpected),
  };
  return table;
}

Key<CircuitBreaker> max_retries_key() {
  Key<CircuitBreaker> key = integer("max_retries", &CircuitBreaker::max_retries, {0, kMostPlaces});
  key.read = [read = std::move(key.read)](const Value& value, const KeyInfo& row, CircuitBreaker& breaker) {
    breaker.retries_configured = true;
    read(value, row, breaker);
  };
  return key;
}

const Table<CircuitBreaker>& circuit_breaker_table() {
  static const Table<CircuitBreaker> table{
      integer("max_connections", &CircuitBreaker::max_connections, {1, kMostPlaces}),
      integer("max_pending", &CircuitBreaker::max_pending, {1, kMostPlaces}),
      max_retries_key(),
  };
  return table;
}

const Table<HealthCheck>& health_check_table() {
  static const Table<HealthCheck> table{
      word("kind", &HealthCheck::kind, {{"http", CheckKind::http}, {"tcp", CheckKind::tcp}, {"grpc", CheckKind::grpc}}),
      parsed("path", &HealthCheck::path, parse_probe_path, kProbePathExpected),
      duration("interval", &HealthCheck::interval, kShortestInterval),
      duration("timeout", &HealthCheck::timeout, 1),
      integer("healthy_after", &HealthCheck::healthy_after, {1, kMostChecks}),
      integer("unhealthy_after", &HealthCheck::unhealthy_after, {1, kMostChecks}),
      parsed("expect", &HealthCheck::expect, parse_status_range, kStatusRangeExpected),
  };
  return table;
}

const Table<Rebalance>& rebalance_table() {
  static const Table<Rebalance> table{required(duration("over", &Rebalance::over, 1))};
  return table;
}

Fault parse_cookie_name(const std::string& text, std::string& name) {
  if (!is_token(text)) return in_quotes(text) + " is not the name of a cookie; expected one such as sluice_node";
  name = text;
  return std::nullopt;
}

const Table<Sticky>& sticky_table() {
  static const Table<Sticky> table{
      parsed("cookie", &Sticky::cookie, parse_cookie_name, "the name of a cookie"),
      duration("ttl", &Sticky::ttl),
  };
  return table;
}

const Table<Pool>& pool_table() {
  static const Table<Pool> table{
      integer("max_idle", &Pool::max_idle, {0, kMostIdle}),
      duration("idle_timeout", &Pool::idle_timeout),
      duration("max_lifetime", &Pool::max_lifetime),
  };
  return table;
}

Key<Upstream> protocol_key() {
  Key<Upstream> key =
      word("protocol", &Upstream::protocol,
           {{"auto", UpstreamProtocol::negotiated}, {"http/1.1", UpstreamProtocol::http_1_1}, {"h2", UpstreamProtocol::h2}});
  return also_called(expecting(std::move(key), "auto, http/1.1 or h2 (h2 to http:// endpoints is h2c)"), {"http2", "h2", "h2c", "alpn"});
}

Key<Upstream> tunnels_per_connection_key() {
  Key<Upstream> key = integer("tunnels_per_connection", &Upstream::tunnels_per_connection, {1, kMostTunnels});
  return expecting(std::move(key), key.info.expected + "; protocol: http/1.1 turns sharing off");
}

}  // namespace

const Table<Upstream>& upstream_table() {
  static const Table<Upstream> table{
      name_key<Upstream>(),
      endpoints_key(),
      protocol_key(),
      word("balance", &Upstream::balance,
           {{"round_robin", Balance::round_robin},
            {"least_connections", Balance::least_connections},
            {"random_two_choices", Balance::random_two_choices},
            {"hash", Balance::hash}}),
      parsed("hash_on", &Upstream::hash_on, parse_hash_on, kHashOnExpected),
      map("sticky", &Upstream::sticky, sticky_table()),
      map("tls", &Upstream::tls, tls_table()),
      map("retries", &Upstream::retries, retries_table()),
      map("pool", &Upstream::pool, pool_table()),
      map("health_check", &Upstream::health_check, health_check_table()),
      word("on_unhealthy", &Upstream::on_unhealthy, {{"keep", OnUnhealthy::keep}, {"close", OnUnhealthy::close}}),
      map("outlier", &Upstream::outlier, outlier_table()),
      duration("slow_start", &Upstream::slow_start, 1),
      map_or_off("rebalance", &Upstream::rebalance, rebalance_table()),
      map("circuit_breaker", &Upstream::circuit_breaker, circuit_breaker_table()),
      tunnels_per_connection_key(),
      word("proxy_protocol", &Upstream::proxy_protocol,
           {{"off", SendProxyProtocol::off}, {"v1", SendProxyProtocol::v1}, {"v2", SendProxyProtocol::v2}}),
  };
  return table;
}

}  // namespace sluice::config
