#include "gateway/commands/changed_keys.h"

namespace sluice::commands {
namespace {

using config::Limits;
using config::Listener;
using config::Resolver;
using config::Route;
using config::Timeouts;
using config::Upstream;

template <class T, auto... kMembers>
bool same(const T& before, const T& next) {
  return ((before.*kMembers == next.*kMembers) && ...);
}

constexpr ComparedKey<Listener> kListener[] = {
    {"name", &same<Listener, &Listener::name>},
    {"address", &same<Listener, &Listener::address>},
    {"mode", &same<Listener, &Listener::mode>},
    {"protocols", &same<Listener, &Listener::protocols>},
    {"tls", &same<Listener, &Listener::tls>},
    {"trusted_proxies", &same<Listener, &Listener::trusted_proxies, &Listener::trusts_unix>},
    {"proxy_protocol", &same<Listener, &Listener::proxy_protocol>},
    {"redirect_to_https", &same<Listener, &Listener::redirect_to_https>},
    {"acme_challenge_directory", &same<Listener, &Listener::acme_challenge_directory>},
};

constexpr ComparedKey<Upstream> kUpstream[] = {
    {"endpoints", &same<Upstream, &Upstream::endpoints, &Upstream::discoveries>},
    {"protocol", &same<Upstream, &Upstream::protocol>},
    {"balance", &same<Upstream, &Upstream::balance>},
    {"hash_on", &same<Upstream, &Upstream::hash_on>},
    {"sticky", &same<Upstream, &Upstream::sticky>},
    {"slow_start", &same<Upstream, &Upstream::slow_start>},
    {"tls", &same<Upstream, &Upstream::tls>},
    {"retries", &same<Upstream, &Upstream::retries>},
    {"pool", &same<Upstream, &Upstream::pool>},
    {"outlier", &same<Upstream, &Upstream::outlier>},
    {"circuit_breaker", &same<Upstream, &Upstream::circuit_breaker>},
    {"health_check", &same<Upstream, &Upstream::health_check>},
    {"on_unhealthy", &same<Upstream, &Upstream::on_unhealthy>},
    {"rebalance", &same<Upstream, &Upstream::rebalance>},
    {"proxy_protocol", &same<Upstream, &Upstream::proxy_protocol>},
    {"tunnels_per_connection", &same<Upstream, &Upstream::tunnels_per_connection>},
};

constexpr ComparedKey<Route> kRoute[] = {
    {"match", &same<Route, &Route::match>},
    {"upstream", &same<Route, &Route::upstream>},
    {"split", &same<Route, &Route::split>},
    {"redirect", &same<Route, &Route::redirect>},
    {"respond", &same<Route, &Route::respond>},
    {"rewrite", &same<Route, &Route::rewrite>},
    {"mirror", &same<Route, &Route::mirror>},
    {"request_headers", &same<Route, &Route::request_headers>},
    {"response_headers", &same<Route, &Route::response_headers>},
    {"timeouts", &same<Route, &Route::timeouts>},
    {"max_request_body", &same<Route, &Route::max_request_body>},
    {"error_pages", &same<Route, &Route::error_pages>},
    {"maintenance", &same<Route, &Route::maintenance>},
    {"websocket", &same<Route, &Route::websocket>},
};

constexpr ComparedKey<Limits> kLimits[] = {
    {"max_connections", &same<Limits, &Limits::max_connections>},
    {"max_connections_per_client", &same<Limits, &Limits::max_connections_per_client>},
    {"max_request_line", &same<Limits, &Limits::max_request_line>},
    {"max_request_head", &same<Limits, &Limits::max_request_head>},
    {"max_headers", &same<Limits, &Limits::max_headers>},
    {"max_request_body", &same<Limits, &Limits::max_request_body>},
    {"max_held_bytes", &same<Limits, &Limits::max_held_bytes>},
    {"http2", &same<Limits, &Limits::http2>},
};

constexpr ComparedKey<Timeouts> kTimeouts[] = {
    {"tls_handshake", &same<Timeouts, &Timeouts::tls_handshake>},
    {"request_head", &same<Timeouts, &Timeouts::request_head>},
    {"request_body_idle", &same<Timeouts, &Timeouts::request_body_idle>},
    {"keepalive_idle", &same<Timeouts, &Timeouts::keepalive_idle>},
    {"client_write_idle", &same<Timeouts, &Timeouts::client_write_idle>},
    {"connect", &same<Timeouts, &Timeouts::connect>},
    {"response_head", &same<Timeouts, &Timeouts::response_head>},
    {"response_body_idle", &same<Timeouts, &Timeouts::response_body_idle>},
    {"drain", &same<Timeouts, &Timeouts::drain>},
};

constexpr ComparedKey<Resolver> kResolver[] = {
    {"nameservers", &same<Resolver, &Resolver::nameservers>},
    {"timeout", &same<Resolver, &Resolver::timeout>},
};

}  // namespace

template <>
std::span<const ComparedKey<Listener>> compared_keys() { return kListener; }
template <>
std::span<const ComparedKey<Upstream>> compared_keys() { return kUpstream; }
template <>
std::span<const ComparedKey<Route>> compared_keys() { return kRoute; }
template <>
std::span<const ComparedKey<Limits>> compared_keys() { return kLimits; }
template <>
std::span<const ComparedKey<Timeouts>> compared_keys() { return kTimeouts; }
template <>
std::span<const ComparedKey<Resolver>> compared_keys() { return kResolver; }

}  // namespace sluice::commands
