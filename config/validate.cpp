#include "config/validate.h"

#include <algorithm>
#include <map>

#include "config/address.h"
#include "config/syntax.h"

namespace sluice::config {
namespace {

std::string item(const char* section, std::size_t index) {
  return std::string(section) + "[" + std::to_string(index) + "]";
}

void validate_client_auth(const ClientAuth& auth, const std::string& path, Report& report) {
  if (auth.mode == ClientAuthMode::off) {
    if (!auth.ca.empty() && !report.mentions(path + ".mode")) {
      report.problem(path + ".mode", "is missing beside ca; expected request, require or off");
    }
    return;
  }
  if (report.mentions(path + ".ca")) return;
  report.problem(path + ".ca", "is missing; expected a PEM file with the CAs that sign the clients' certificates");
}

void validate_listener_tls(const ListenerTls& tls, const std::string& path, Report& report) {
  const bool has_certificates = !tls.certificates.empty() || report.mentions(path + ".certificates");
  if (!has_certificates && !tls.self_signed && !report.is_wrong(path + ".self_signed")) {
    report.problem(path,
                   "has no certificates; expected certificates, or self_signed: true for trying things out");
  }
  if (has_certificates && tls.self_signed) {
    report.problem(path + ".self_signed", "stands beside certificates; expected one of the two");
  }
  validate_client_auth(tls.client_auth, path + ".client_auth", report);
}

// Port 0 is a different port each time.
void validate_addresses(const Config& config, Report& report) {
  std::map<std::string, std::string> taken;
  const auto claim = [&](const Address& address, const std::string& path) {
    if (!address.is_unix() && (address.host.empty() || address.port == 0)) return;
    const auto [first, is_new] = taken.try_emplace(address.text(), path);
    if (is_new) return;
    report.problem(path,
                   address.text() + " is taken by " + first->second + "; expected an address of its own");
  };
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    claim(config.listeners[i].address, item("listeners", i) + ".address");
  }
  if (config.admin) claim(config.admin->address, "admin.address");
}

// Where redirect_to_https leads must be known.
void validate_redirects(const Config& config, Report& report) {
  const bool any_tls =
      std::any_of(config.listeners.begin(), config.listeners.end(),
                  [](const Listener& listener) { return listener.tls && !listener.address.is_unix(); });
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    if (!config.listeners[i].redirect_to_https) continue;
    const std::string path = item("listeners", i) + ".redirect_to_https";
    if (config.listeners[i].tls) {
      report.problem(path, "is true beside tls; expected it on a plain listener");
    } else if (!any_tls) {
      report.problem(
          path, "leads nowhere, no listener with a port has tls; expected one, or a route with a redirect");
    }
  }
}

void validate_listeners(const Config& config, Report& report) {
  validate_names(config.listeners, "listeners", report);
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const Listener& listener = config.listeners[i];
    const std::string path = item("listeners", i);
    if (listener.tls) validate_listener_tls(*listener.tls, path + ".tls", report);
    if (!listener.address.is_unix()) {
      if (report.mentions(path + ".mode"))
        report.warning(path + ".mode", "has no effect, the address is no unix socket");
      if (listener.trusts_unix) {
        report.warning(path + ".trusted_proxies",
                       "names unix, which has no effect: the address is no unix socket");
      }
    }
    const bool trusts_any = !listener.trusted_proxies.empty() || listener.trusts_unix ||
                            report.is_wrong(path + ".trusted_proxies") || report.is_wrong(path + ".trusted_proxies[0]");
    if (listener.proxy_protocol != ProxyProtocol::off && !trusts_any) {
      report.problem(path + ".proxy_protocol",
                     "has nobody to believe, trusted_proxies is empty; expected the load balancers' addresses there");
    }
    const auto anyone = std::find_if(listener.trusted_proxies.begin(), listener.trusted_proxies.end(),
                                     [](const Cidr& block) { return block.prefix_length == 0; });
    if (anyone != listener.trusted_proxies.end()) {
      report.warning(path + ".trusted_proxies",
                     "trusts every client to say who it is; expected the proxies alone");
    }
  }
}

void validate_admin(const Admin& admin, Report& report) {
  if (admin.address.host.empty() || is_loopback(admin.address) || !admin.token.empty()) return;
  if (report.is_wrong("admin.token")) return;
  if (report.mentions("admin.token")) {
    report.problem("admin.token",
                   "is empty; expected a token, since " + admin.address.text() + " is not loopback");
  } else {
    report.problem("admin.address", admin.address.text() +
                                        " is not loopback and admin.token is not set; expected a " +
                                        "token, or an address such as 127.0.0.1:9901");
  }
}

void validate_upstream_tls(const UpstreamTls& tls, const std::string& path, Report& report) {
  const bool has_certificate = report.mentions(path + ".certificate");
  const bool has_key = report.mentions(path + ".private_key");
  if (has_certificate && !has_key) {
    report.problem(path + ".private_key", "is missing beside certificate; expected the PEM file with its key");
  } else if (has_key && !has_certificate) {
    report.problem(path + ".certificate", "is missing beside private_key; expected the PEM file that the key belongs to");
  }
  if (!tls.verify) {
    report.warning(path + ".verify", "is false: whoever answers at the address is believed to be the upstream");
  }
}

void validate_health_check(const HealthCheck& check, const std::string& path, Report& report) {
  if (check.kind == CheckKind::http) {
    if (!report.mentions(path + ".path")) report.problem(path + ".path", "is missing; expected " + std::string(kProbePathExpected));
    return;
  }
  for (const char* key : {".path", ".expect"}) {
    if (report.mentions(path + key)) {
      report.warning(path + key, std::string("has no effect with kind: ") + (check.kind == CheckKind::tcp ? "tcp" : "grpc"));
    }
  }
}

// Calls of gRPC need HTTP/2, and so does the question.
void validate_grpc_check(const Upstream& upstream, const std::string& path, Report& report) {
  if (upstream.protocol == UpstreamProtocol::http_1_1) {
    report.problem(path + ".kind", "grpc asks over HTTP/2, which protocol: http/1.1 rules out; expected protocol: h2");
  } else if (upstream.protocol == UpstreamProtocol::negotiated && !upstream.uses_https()) {
    report.warning(path + ".kind", "grpc asks over HTTP/2, but requests to http:// endpoints are sent in HTTP/1.1 without protocol: h2");
  }
}

void validate_rebalance(const Upstream& upstream, const std::string& path, Report& report) {
  if (upstream.balance == Balance::hash) {
    report.warning(path, "moves few clients with balance: hash, which sends most of them back to where they were");
  }
  if (upstream.sticky) report.warning(path, "moves few clients with sticky, which sends most of them back to where they were");
  if (upstream.slow_start && upstream.balance != Balance::hash && upstream.rebalance->over < *upstream.slow_start) {
    report.warning(path + ".over", "is shorter than slow_start, which sends those that come back meanwhile to the other endpoints");
  }
}

// What shares is what goes over HTTP/2.
void warn_when_nothing_shares(const Upstream& upstream, const std::string& path, Report& report) {
  if (!report.mentions(path + ".tunnels_per_connection") || report.is_wrong(path + ".protocol")) return;
  if (upstream.protocol == UpstreamProtocol::http_1_1) {
    report.warning(path + ".tunnels_per_connection", "has no effect with protocol: http/1.1");
  } else if (upstream.protocol == UpstreamProtocol::negotiated && !upstream.uses_https()) {
    report.warning(path + ".tunnels_per_connection",
                   "has no effect, http:// endpoints get WebSockets over HTTP/1.1 without protocol: h2");
  }
}

void validate_upstreams(const Config& config, Report& report) {
  validate_names(config.upstreams, "upstreams", report);
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    const Upstream& upstream = config.upstreams[i];
    const std::string path = item("upstreams", i);
    if (!upstream.uses_https() && report.mentions(path + ".tls")) {
      report.warning(path + ".tls", "has no effect, no endpoint is https://");
    }
    validate_upstream_tls(upstream.tls, path + ".tls", report);
    if (upstream.health_check) validate_health_check(*upstream.health_check, path + ".health_check", report);
    if (upstream.health_check && upstream.health_check->kind == CheckKind::grpc) {
      validate_grpc_check(upstream, path + ".health_check", report);
    }
    warn_when_nothing_shares(upstream, path, report);
    if (upstream.rebalance) validate_rebalance(upstream, path + ".rebalance", report);
    if (upstream.sticky && upstream.sticky->ttl < std::chrono::seconds(1) && !report.is_wrong(path + ".sticky.ttl")) {
      report.problem(path + ".sticky.ttl", "is under a second; expected at least 1s");
    }
    if (upstream.slow_start && upstream.balance == Balance::hash) {
      report.warning(path + ".slow_start", "has no effect with balance: hash, where everything has its place");
    }
    const bool used =
        std::any_of(config.routes.begin(), config.routes.end(),
                    [&upstream](const Route& route) {
                      return route.leads_to(upstream.name) || (route.mirror && route.mirror->upstream == upstream.name);
                    });
    if (!used && !upstream.name.empty()) {
      report.warning(path, "no route leads to upstream " + in_quotes(upstream.name));
    }
  }
}

}  // namespace

void validate(const Config& config, Report& report) {
  validate_listeners(config, report);
  validate_redirects(config, report);
  validate_addresses(config, report);
  if (config.limits.max_request_line > config.limits.max_request_head) {
    report.warning("limits.max_request_line",
                   "is over max_request_head, which then holds for the line as well");
  }
  if (config.limits.max_connections_per_client > config.limits.max_connections) {
    report.warning("limits.max_connections_per_client", "is over max_connections and has no effect");
  }
  validate_upstreams(config, report);
  validate_routes(config, report);
  if (config.admin) validate_admin(*config.admin, report);
}

}  // namespace sluice::config
