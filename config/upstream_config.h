// `upstreams`: named groups of endpoints.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/values.h"

namespace sluice::config {

struct Endpoint {
  std::string url;  // as written, for logs
  bool https = false;
  bool unix_socket = false;  // the host is its path then, the port 0
  std::string host;          // name or IP literal, no brackets
  std::uint16_t port = 0;
  unsigned weight = 1;
  // Of one that was discovered: the name that led to its address, which TLS verifies and Host says; otherwise empty.
  std::string discovered_as = {};
  const std::string& name() const noexcept { return discovered_as.empty() ? host : discovered_as; }
  // name:port as an authority, with brackets for v6 and the scheme's default port left out; a unix
  // socket's path.
  std::string authority() const;
  bool operator==(const Endpoint&) const = default;
};
inline constexpr unsigned kHeaviestEndpoint = 1000;

// An entry of `endpoints` that DNS turns into endpoints, again and again.
struct Discovery {
  enum class Kind { dns, srv };
  Kind kind = Kind::dns;
  std::string name;        // lower case; a dot at its end keeps search domains away
  std::uint16_t port = 0;  // of dns; srv records have their own
  bool https = false;
  unsigned weight = 1;     // of dns, of each of its endpoints; srv records have their own
  Duration refresh = std::chrono::seconds(5);
  std::string text() const;  // for people, and to compare: what is asked
  // Whether both ask DNS for the same; the rest says what is made of the answer.
  bool asks_as(const Discovery& other) const noexcept { return kind == other.kind && name == other.name; }
  auto operator<=>(const Discovery&) const = default;
};

// Whom discovery asks.
struct Resolver {
  std::vector<std::string> nameservers;  // IP:PORT, with brackets for v6; none: the system's
  Duration timeout = std::chrono::seconds(2);  // of one question to one of them
  bool operator==(const Resolver&) const = default;
};

enum class Balance { round_robin, least_connections, random_two_choices, hash };

// What of a request `balance: hash` looks at: equal values go to the same endpoint.
struct HashOn {
  enum class Source { client_ip, header, cookie, query, path };
  Source source = Source::client_ip;
  std::string name;  // of the header, the cookie or the query parameter
  std::string text() const;  // as it is configured
  bool operator==(const HashOn&) const = default;
};

struct UpstreamTls {
  std::string ca;           // PEM file; empty: the system's trust store
  std::string server_name;  // SNI and the name that is verified; empty: the endpoint's host
  bool verify = true;
  // What the endpoints are shown when they ask for a certificate: PEM files, both or none.
  std::string certificate;
  std::string private_key;
  bool operator==(const UpstreamTls&) const = default;
};

struct Retries {
  unsigned attempts = 2;    // tries in all, the first one included
  bool on_connect = true;   // any method
  bool on_reset = false;    // idempotent methods, before the first response byte
  // Idempotent methods: the answer is thrown away.
  bool on_502 = false, on_503 = false, on_504 = false;
  std::optional<unsigned> budget = 20;  // retries in percent of the requests; absent: off
  bool repeats(unsigned status) const noexcept {
    return (on_502 && status == 502) || (on_503 && status == 503) || (on_504 && status == 504);
  }
  bool operator==(const Retries&) const = default;
};

enum class CheckKind { http, tcp, grpc };

// What happens to the tunnels of an endpoint that is out.
enum class OnUnhealthy { keep, close };

struct StatusRange {
  unsigned first = 200;
  unsigned last = 399;  // it is in
  bool operator==(const StatusRange&) const = default;
};

// How each endpoint is asked whether it is well.
struct HealthCheck {
  CheckKind kind = CheckKind::http;
  std::string path;  // of http: with the query, if any
  Duration interval = std::chrono::seconds(5);
  Duration timeout = std::chrono::seconds(2);
  unsigned healthy_after = 2;    // checks in a row
  unsigned unhealthy_after = 3;
  StatusRange expect = {};
  bool operator==(const HealthCheck&) const = default;
};

// When an endpoint that fails is left out for a while.
struct Outlier {
  OptionalCount consecutive_failures = 5;
  Duration eject_for = std::chrono::seconds(30);
  unsigned max_ejected = 50;  // percent of the endpoints
  bool operator==(const Outlier&) const = default;
};

struct Pool {
  std::uint64_t max_idle = 256;  // per endpoint, all workers together
  OptionalDuration idle_timeout = std::chrono::seconds(60);
  OptionalDuration max_lifetime;
  bool operator==(const Pool&) const = default;
};

// Tunnels move to endpoints that joined.
struct Rebalance {
  Duration over{};  // the moves are spread over it
  bool operator==(const Rebalance&) const = default;
};

// Bounds per endpoint, all workers together; absent: `off`. One that has reached one is passed over.
struct CircuitBreaker {
  OptionalCount max_connections = 1024;  // open or being opened, for exchanges and tunnels, and idle
  OptionalCount max_pending = 1024;      // exchanges whose connection is being opened
  OptionalCount max_retries = 3;         // repeated attempts that have no answer yet
  bool retries_configured = false;       // max_retries was written down
  bool operator==(const CircuitBreaker&) const = default;
};

// The version of the PROXY header that begins each connection to an endpoint.
enum class SendProxyProtocol { off, v1, v2 };

// A client comes back to its endpoint, by a cookie.
struct Sticky {
  std::string cookie = "sluice_node";
  Duration ttl = std::chrono::hours(1);  // renewed while the client comes
  bool operator==(const Sticky&) const = default;
};

// What endpoints are spoken to in. WebSockets go over HTTP/2 where an endpoint takes them there (RFC 8441), else over HTTP/1.1.
enum class UpstreamProtocol {
  negotiated,  // `auto`: h2 where an https endpoint chooses it by ALPN, else HTTP/1.1
  http_1_1,
  h2,          // by ALPN; without TLS from the first byte on (RFC 9113 3.3)
};

struct Upstream {
  std::string name;
  std::vector<Endpoint> endpoints;
  std::vector<Discovery> discoveries;
  UpstreamProtocol protocol = UpstreamProtocol::negotiated;
  Balance balance = Balance::round_robin;
  HashOn hash_on;
  std::optional<Sticky> sticky;
  OptionalDuration slow_start;  // until an endpoint that joined has its whole share; not with hash
  UpstreamTls tls;
  Retries retries;
  Pool pool;
  Outlier outlier;
  CircuitBreaker circuit_breaker;
  std::optional<HealthCheck> health_check;
  OnUnhealthy on_unhealthy = OnUnhealthy::keep;
  std::optional<Rebalance> rebalance;
  SendProxyProtocol proxy_protocol = SendProxyProtocol::off;
  std::uint64_t tunnels_per_connection = 100;  // at most, of WebSockets on one connection over HTTP/2
  // Of max_retries. Where nobody wrote it down, retries.budget alone bounds what is repeated, if there is one: the default of 3 would
  // fail most of the requests that a dying endpoint leaves to the others.
  OptionalCount most_repeats() const noexcept {
    return retries.budget && !circuit_breaker.retries_configured ? OptionalCount() : circuit_breaker.max_retries;
  }
  bool uses_https() const;
  bool operator==(const Upstream&) const = default;
};

}  // namespace sluice::config
