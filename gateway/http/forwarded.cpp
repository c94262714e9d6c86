#include "gateway/http/forwarded.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "config/address.h"
#include "gateway/http/characters.h"
#include "gateway/http/uri.h"

namespace sluice::http {
namespace {

constexpr std::string_view kUnixNode = "_unix";  // an obfuscated identifier, RFC 7239 6.3
constexpr std::size_t kMaxRequestId = 128;
// What an element of Forwarded has besides its values.
constexpr std::size_t kElementRoom = 40;

bool has_prefix(std::string_view name, std::string_view prefix) noexcept {
  return equals_ignore_case(name.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Cuts `text` at the first `separator` outside a quoted string; returns what is in front of it.
std::string_view cut_unquoted(std::string_view& text, char separator) noexcept {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (quoted && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (text[at] == separator && !quoted) {
      break;
    }
  }
  at = std::min(at, text.size());
  const std::string_view front = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return trim(front);
}

// An open quote would swallow the element that is appended behind it.
bool quotes_are_closed(std::string_view text) noexcept {
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (quoted && text[at] == '\\') {
      if (++at == text.size()) return false;
    } else if (text[at] == '"') {
      quoted = !quoted;
    }
  }
  return !quoted;
}

// Takes the quotes off. Escapes have no place in the values that are looked at here, so they stay and fail
// the checks that follow.
std::string_view unquote(std::string_view text) noexcept {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// One proxy's account of who it spoke with.
struct Hop {
  std::string_view node;  // address as written, perhaps with brackets and port
  std::string_view scheme;
  std::string_view host;
};

std::vector<Hop> hops_of_forwarded(const Headers& headers) {
  std::vector<Hop> hops;
  for (const Field& field : headers) {
    if (!equals_ignore_case(field.name, "Forwarded")) continue;
    for (std::string_view elements = field.value; !elements.empty();) {
      std::string_view pairs = cut_unquoted(elements, ',');
      if (pairs.empty()) continue;
      Hop hop;
      while (!pairs.empty()) {
        std::string_view value = cut_unquoted(pairs, ';');
        const std::string_view name = cut_unquoted(value, '=');
        if (equals_ignore_case(name, "for")) hop.node = unquote(trim(value));
        if (equals_ignore_case(name, "proto")) hop.scheme = unquote(trim(value));
        if (equals_ignore_case(name, "host")) hop.host = unquote(trim(value));
      }
      hops.push_back(hop);
    }
  }
  return hops;
}

std::vector<Hop> hops_of_x_forwarded_for(const Headers& headers) {
  std::vector<Hop> hops;
  for (const Field& field : headers) {
    if (!equals_ignore_case(field.name, "X-Forwarded-For")) continue;
    for_each_list_member(field.value, [&](std::string_view node) { hops.push_back({node, {}, {}}); });
  }
  return hops;
}

// Nothing, or a port: digits, or an obfuscated one (RFC 7239 6.2).
bool is_node_port(std::string_view text) noexcept {
  if (text.empty()) return true;
  if (text.size() < 2 || text.front() != ':') return false;
  text.remove_prefix(1);
  const bool obfuscated = text.front() == '_' && all_of(kToken, text);
  return obfuscated || (text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos);
}

// The address of a node: "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". Empty: it has none.
std::string_view address_of(std::string_view node) noexcept {
  if (!node.empty() && node.front() == '[') {
    const auto close = node.find(']');
    if (close == std::string_view::npos || !is_node_port(node.substr(close + 1))) return {};
    return node.substr(1, close - 1);
  }
  const auto colon = node.find(':');
  if (colon == std::string_view::npos || node.find(':', colon + 1) != std::string_view::npos) return node;
  return is_node_port(node.substr(colon)) ? node.substr(0, colon) : std::string_view{};
}

struct Client {
  std::string address;        // empty: the peer itself
  const Hop* hop = nullptr;  // the element that named it
};

// Walks from the nearest proxy outwards. An entry that is no address ends the walk: behind it nothing can be
// known, and the last trusted proxy stands for the client.
Client rightmost_untrusted(const std::vector<Hop>& hops, const std::vector<config::Cidr>& trusted) {
  Client client;
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    const std::string address(address_of(hop->node));
    std::uint8_t bytes[16];
    bool v6 = false;
    if (!config::parse_ip(address, bytes, v6)) break;
    client = {config::ip_text(bytes, v6), &*hop};  // one spelling for logs, and for whatever counts by it
    const bool is_proxy = std::any_of(trusted.begin(), trusted.end(),
                                      [&](const config::Cidr& cidr) { return cidr.contains(bytes, v6); });
    if (!is_proxy) break;
  }
  return client;
}

// The last member of a list field: what the nearest proxy said.
std::string_view last_member(const Headers& headers, std::string_view name) {
  std::string_view last;
  for (const Field& field : headers) {
    if (!equals_ignore_case(field.name, name)) continue;
    for_each_list_member(field.value, [&](std::string_view member) { last = member; });
  }
  return last;
}

// "http" or "https", or empty. Some proxies name the scheme of a WebSocket request.
std::string_view known_scheme(std::string_view scheme) noexcept {
  if (equals_ignore_case(scheme, "https") || equals_ignore_case(scheme, "wss")) return "https";
  if (equals_ignore_case(scheme, "http") || equals_ignore_case(scheme, "ws")) return "http";
  return {};
}

bool is_sane_request_id(std::string_view id) noexcept {
  if (id.empty() || id.size() > kMaxRequestId) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return is(kUnreserved, c) || std::string_view("+/=:").find(c) != std::string_view::npos;
  });
}

// A Forwarded parameter value: a token, or quoted where it is none (RFC 7239 4).
void append_value(std::string& out, std::string_view value) {
  if (!value.empty() && all_of(kToken, value)) {
    out.append(value);
    return;
  }
  out.push_back('"');
  while (!value.empty()) {
    const std::size_t plain = std::min(value.find_first_of("\"\\"), value.size());
    out.append(value.substr(0, plain));
    value.remove_prefix(plain);
    if (value.empty()) break;
    out.push_back('\\');
    out.push_back(value.front());
    value.remove_prefix(1);
  }
  out.push_back('"');
}

void append_element(std::string& out, std::string_view address, std::string_view host,
                    std::string_view scheme) {
  out.reserve(out.size() + address.size() + host.size() + scheme.size() + kElementRoom);
  if (!out.empty()) out.append(", ");
  out.append("for=");
  if (address.find(':') != std::string_view::npos) {
    out.append("\"[").append(address).append("]\"");
  } else {
    append_value(out, address == kUnixPeer ? kUnixNode : address);
  }
  if (!host.empty()) {
    out.append(";host=");
    append_value(out, host);
  }
  out.append(";proto=").append(scheme);
}

// All lines of a list field as one value.
std::string joined(const Headers& headers, std::string_view name) {
  std::string out;
  for (const Field& field : headers) {
    if (field.value.empty() || !equals_ignore_case(field.name, name)) continue;
    if (!out.empty()) out.append(", ");
    out.append(field.value);
  }
  return out;
}

void add_kept(Headers& headers, std::string_view literal_name, std::string_view value) {
  headers.add_view(literal_name, headers.keep(value));
}

}  // namespace

bool is_forwarding_field(std::string_view name) noexcept {
  return has_prefix(name, "X-Forwarded-") || equals_ignore_case(name, "Forwarded") ||
         equals_ignore_case(name, "X-Real-IP") || equals_ignore_case(name, "X-Request-Id");
}

Origin find_origin(Headers& headers, const Peer& peer, const std::vector<config::Cidr>& trusted,
                   std::string_view new_request_id) {
  Origin origin{peer.address, peer.scheme, peer.host, new_request_id};
  if (!peer.trusted) return origin;

  std::vector<Hop> hops = hops_of_x_forwarded_for(headers);
  // A proxy that writes X-Forwarded-For may pass on a Forwarded that its client made up, so that one only
  // counts alone.
  const bool use_forwarded = hops.empty();
  if (use_forwarded) hops = hops_of_forwarded(headers);
  const Client client = rightmost_untrusted(hops, trusted);
  if (!client.address.empty()) origin.client_ip = headers.keep(client.address);

  std::string_view scheme = last_member(headers, "X-Forwarded-Proto");
  std::string_view host = last_member(headers, "X-Forwarded-Host");
  if (use_forwarded && client.hop != nullptr) {
    if (scheme.empty()) scheme = client.hop->scheme;
    if (host.empty()) host = client.hop->host;
  }
  if (const auto known = known_scheme(scheme); !known.empty()) origin.scheme = known;
  if (parse_authority(host)) origin.host = host;
  if (const auto id = headers.find("X-Request-Id"); id && is_sane_request_id(*id)) origin.request_id = *id;
  return origin;
}

void set_forwarding_fields(Headers& headers, const Peer& peer, const Origin& origin,
                           std::string_view via_version) {
  thread_local std::string forwarded;  // its memory serves one request after the other; no head is longer
  forwarded.clear();
  std::string chain;
  if (peer.trusted) {
    chain = joined(headers, "X-Forwarded-For");
    // Commas without an address between them are no account of anybody.
    if (chain.find_first_not_of(" \t,") == std::string::npos) chain.clear();
    forwarded = joined(headers, "Forwarded");
    if (!quotes_are_closed(forwarded)) forwarded.clear();
    // The peer spoke only one of the two dialects: what it said is carried over, so that both tell the same
    // story.
    const bool client_behind_peer = origin.client_ip != peer.address;
    if (chain.empty() && client_behind_peer) chain = origin.client_ip;
    if (forwarded.empty() && client_behind_peer) {
      append_element(forwarded, origin.client_ip, origin.host, origin.scheme);
    }
  }
  const bool has_address = peer.address != kUnixPeer;
  if (has_address && !chain.empty()) chain.append(", ").append(peer.address);
  append_element(forwarded, peer.address, peer.host, peer.scheme);

  const bool trusted = peer.trusted;
  headers.remove_if([trusted](const Field& field) {
    const std::string_view name = field.name;
    if (!trusted && has_prefix(name, "X-Forwarded-")) return true;
    return equals_ignore_case(name, "X-Forwarded-For") || equals_ignore_case(name, "X-Forwarded-Proto") ||
           equals_ignore_case(name, "X-Forwarded-Host") || equals_ignore_case(name, "Forwarded") ||
           equals_ignore_case(name, "X-Real-IP") || equals_ignore_case(name, "X-Request-Id");
  });
  if (!chain.empty()) {
    add_kept(headers, "X-Forwarded-For", chain);
  } else if (has_address) {
    headers.add_view("X-Forwarded-For", peer.address);
  }
  headers.add_view("X-Forwarded-Proto", origin.scheme);
  if (!origin.host.empty()) headers.add_view("X-Forwarded-Host", origin.host);
  add_kept(headers, "Forwarded", forwarded);
  if (origin.client_ip != kUnixPeer) headers.add_view("X-Real-IP", origin.client_ip);
  headers.add_view("X-Request-Id", origin.request_id);
  add_via(headers, via_version);
}

void add_via(Headers& headers, std::string_view via_version) {
  // Via is a trace of the path (RFC 9110 7.6.3): it is appended to whoever sent it, and decides nothing here.
  const std::string_view own = via_version == "2.0" ? "2.0 sluice" : via_version == "1.0" ? "1.0 sluice" : "1.1 sluice";
  if (!headers.contains("Via")) return headers.add_view("Via", own);
  std::string via = joined(headers, "Via");
  if (!via.empty()) via.append(", ");
  via.append(own);
  headers.remove("Via");
  add_kept(headers, "Via", via);
}

}  // namespace sluice::http
