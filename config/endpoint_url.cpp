#include <algorithm>

#include "config/address.h"
#include "config/syntax.h"
#include "config/value_text.h"

namespace sluice::config {
namespace {

constexpr char kExpected[] =
    "; expected a URL such as http://127.0.0.1:8000, https://app.internal or unix:/run/app.sock";

bool is_v6_text(const std::string& host) { return host.find(':') != std::string::npos; }

std::uint16_t default_port(bool https) { return https ? 443 : 80; }

// Host and port of `http://HOST[:PORT]`, the scheme taken off.
Fault parse_authority(const std::string& text, Endpoint& endpoint) {
  std::string host, port;
  if (!split_host_port(text, host, port)) return in_quotes(text) + " is not host:port" + kExpected;
  std::uint8_t bytes[16];
  bool v6 = false;
  if (parse_ip(host, bytes, v6)) {
    if (v6 != (text[0] == '[')) return in_quotes(text) + " has brackets wrong" + kExpected;
    endpoint.host = canonical_ip(host);
  } else {
    // One dot at the end keeps a resolver from trying its search domains.
    const bool rooted = host.size() > 1 && host.back() == '.';
    if (text[0] == '[' || !is_host_name(rooted ? host.substr(0, host.size() - 1) : host)) {
      return in_quotes(host) + " is not a host name or an IP address" + kExpected;
    }
    endpoint.host = lower_case(host);
  }
  endpoint.port = default_port(endpoint.https);
  if (port.empty()) return std::nullopt;
  const auto number = parse_whole_number(port);
  if (!number || *number < 1 || *number > 65535) {
    return in_quotes(port) + " is not a port; expected a number from 1 to 65535";
  }
  endpoint.port = static_cast<std::uint16_t>(*number);
  return std::nullopt;
}

}  // namespace

std::string Endpoint::authority() const {
  if (unix_socket) return host;
  const std::string shown = is_v6_text(name()) ? "[" + name() + "]" : name();
  return port == default_port(https) ? shown : shown + ":" + std::to_string(port);
}

Fault parse_endpoint_url(const std::string& text, Endpoint& endpoint) {
  if (text.rfind(kUnixPrefix, 0) == 0) {
    std::string path;
    if (Fault fault = parse_unix_path(text, path)) return fault;
    endpoint.url = text;
    endpoint.https = false;
    endpoint.unix_socket = true;
    endpoint.host = std::move(path);
    endpoint.port = 0;
    return std::nullopt;
  }
  const std::size_t scheme_end = text.find("://");
  const std::string scheme = scheme_end == std::string::npos ? "" : lower_case(text.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") {
    if (scheme == "ws" || scheme == "wss") {
      return scheme + ":// is not needed, WebSockets are forwarded too" + kExpected;
    }
    return in_quotes(text) + " does not start with http:// or https://" + kExpected;
  }
  std::string rest = text.substr(scheme_end + 3);
  if (rest.find('@') != std::string::npos) return std::string("has a user name") + kExpected;
  // A lone slash is the same as no path (RFC 3986 6.2.3).
  if (!rest.empty() && rest.find_first_of("/?#") == rest.size() - 1 && rest.back() == '/') rest.pop_back();
  if (rest.find_first_of("/?#") != std::string::npos) {
    return in_quotes(text) + " has a path or query, and the request's own is sent" + kExpected;
  }
  Endpoint parsed = endpoint;
  parsed.url = text;
  parsed.https = scheme == "https";
  if (Fault fault = parse_authority(rest, parsed)) return fault;
  endpoint = parsed;
  return std::nullopt;
}

}  // namespace sluice::config
