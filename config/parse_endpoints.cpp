// `upstreams[].endpoints`: URLs, and names that DNS turns into endpoints.
#include <algorithm>
#include <map>

#include "config/address.h"
#include "config/sections.h"

namespace sluice::config {
namespace {

constexpr std::uint64_t kShortestRefresh = 100;  // ms
constexpr char kUrlExpected[] = "a URL such as http://127.0.0.1:8000";
constexpr char kDnsExpected[] = "a name and a port such as chat.internal:8000";
constexpr char kSrvExpected[] = "a name such as _chat._tcp.internal";

// One entry of the list.
struct Entry {
  Endpoint endpoint;
  Discovery discovery;
};

// One dot at the end is the root's.
bool is_dns_name(const std::string& text) {
  const bool rooted = text.size() > 1 && text.back() == '.';
  return is_host_name(rooted ? std::string_view(text).substr(0, text.size() - 1) : text);
}

void read_url(const Value& value, Endpoint& endpoint) {
  const auto text = value.text(kUrlExpected);
  if (!text) return;
  if (Fault fault = parse_endpoint_url(*text, endpoint)) return value.problem(*fault);
  if (!endpoint.unix_socket) return;
  endpoint.host = value.report().resolve(endpoint.host);
  if (Fault fault = check_unix_path(endpoint.host)) value.problem(*fault);
}

Fault parse_dns(const std::string& text, Discovery& discovery) {
  std::string host, port;
  std::uint8_t bytes[16];
  bool v6 = false;
  if (!split_host_port(text, host, port)) return in_quotes(text) + " is not name:port; expected " + kDnsExpected;
  if (parse_ip(host, bytes, v6)) return in_quotes(text) + " is an address, which needs no DNS; expected it as a url";
  if (!is_dns_name(host)) return in_quotes(host) + " is not a host name; expected " + kDnsExpected;
  if (port.empty()) return in_quotes(text) + " has no port; expected " + kDnsExpected;
  const auto number = parse_whole_number(port);
  if (!number || *number < 1 || *number > 65535) return in_quotes(port) + " is not a port; expected a number from 1 to 65535";
  discovery.kind = Discovery::Kind::dns;
  discovery.name = lower_case(host);
  discovery.port = static_cast<std::uint16_t>(*number);
  return std::nullopt;
}

Fault parse_srv(const std::string& text, Discovery& discovery) {
  if (text.find(':') != std::string::npos) return in_quotes(text) + " has a port, which the records tell; expected " + kSrvExpected;
  if (!is_dns_name(text)) return in_quotes(text) + " is not a DNS name; expected " + kSrvExpected;
  discovery.kind = Discovery::Kind::srv;
  discovery.name = lower_case(text);
  return std::nullopt;
}

Key<Entry> name_of_entry(std::string name, Fault (*parse)(const std::string&, Discovery&), const char* expected) {
  return {{.name = std::move(name), .expected = expected}, [parse](const Value& value, const KeyInfo& row, Entry& entry) {
            const auto text = value.text(row.expected);
            if (!text) return;
            if (Fault fault = parse(*text, entry.discovery)) value.problem(*fault);
          }};
}

// A key of the Endpoint or the Discovery in the entry.
template <class Part>
Key<Entry> within(Part Entry::*part, Key<Part> key) {
  return {std::move(key.info), [part, read = std::move(key.read)](const Value& value, const KeyInfo& row, Entry& entry) {
            read(value, row, entry.*part);
          }};
}

const Table<Entry>& entry_table() {
  static const Table<Entry> table{
      {{.name = "url", .expected = kUrlExpected},
       [](const Value& value, const KeyInfo&, Entry& entry) { read_url(value, entry.endpoint); }},
      within(&Entry::endpoint, integer("weight", &Endpoint::weight, {1, kHeaviestEndpoint})),
      name_of_entry("dns", parse_dns, kDnsExpected),
      name_of_entry("srv", parse_srv, kSrvExpected),
      within(&Entry::discovery, word("scheme", &Discovery::https, {{"http", false}, {"https", true}})),
      within(&Entry::discovery, duration("refresh", &Discovery::refresh, kShortestRefresh)),
  };
  return table;
}

void check_keys(const Value& value) {
  const auto has = [&value](const char* key) { return value.report().mentions(value.path_of(key)); };
  const auto problem = [&value](const char* key, std::string what) { value.report().problem(value.path_of(key), std::move(what)); };
  if (!has("url") && !has("dns") && !has("srv")) {
    return value.problem("has no url; expected one such as http://127.0.0.1:8000, or dns or srv");
  }
  const char* first = has("url") ? "url" : "dns";
  for (const char* key : {"dns", "srv"}) {
    if (has(key) && key != std::string_view(first) && has(first)) problem(key, std::string("stands beside ") + first + "; expected one of the two");
  }
  if (has("url")) {
    for (const char* key : {"scheme", "refresh"}) {
      if (has(key)) problem(key, "belongs to dns and srv, and stands beside url; remove it");
    }
  } else if (has("srv") && has("weight")) {
    problem("weight", "stands beside srv, whose records have weights; remove it");
  }
}

// Into the list that the entry belongs to.
void add(const Value& value, Entry entry, Upstream& upstream) {
  const bool discovered = value.is_map() && !value.report().mentions(value.path_of("url")) &&
                          (value.report().mentions(value.path_of("dns")) || value.report().mentions(value.path_of("srv")));
  if (!discovered) {
    upstream.endpoints.push_back(std::move(entry.endpoint));
    return;
  }
  entry.discovery.weight = entry.endpoint.weight;
  upstream.discoveries.push_back(std::move(entry.discovery));
}

// What names an entry once more is a warning.
void check_repeated(const Value& value, const Entry& entry, std::size_t index, std::map<std::string, std::size_t>& seen) {
  std::string what;
  if (!entry.endpoint.host.empty()) what = (entry.endpoint.https ? "https://" : "http://") + entry.endpoint.authority();
  if (!entry.discovery.name.empty()) what = entry.discovery.text();
  if (what.empty()) return;
  const auto [first, is_new] = seen.try_emplace(what, index);
  if (is_new) return;
  value.report().warning(value.path(), "is the same as endpoints[" + std::to_string(first->second) + "]; a weight says the same");
}

Fault parse_nameserver(const std::string& text, std::string& nameserver) {
  constexpr char kExpected[] = "; expected an IP address, with a port unless that is 53, such as 127.0.0.1:8600";
  std::string host, port;
  std::uint8_t bytes[16];
  bool v6 = false;
  if (parse_ip(text, bytes, v6)) {
    host = text;
  } else if (!split_host_port(text, host, port) || !parse_ip(host, bytes, v6)) {
    return in_quotes(text) + " is not the address of a name server" + kExpected;
  }
  const auto number = parse_whole_number(port.empty() ? "53" : port);
  if (!number || *number < 1 || *number > 65535) return in_quotes(port) + " is not a port" + kExpected;
  host = canonical_ip(host);
  nameserver = (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(*number);
  return std::nullopt;
}

}  // namespace

Key<Upstream> endpoints_key() {
  KeyInfo info = list_info("endpoints", "at least one URL such as http://127.0.0.1:8000", 1);
  info.children = entry_table().rows();
  info.required = true;
  info.element_may_be_text = true;
  info.exactly_one = {"url", "dns", "srv"};
  return {std::move(info), [](const Value& value, const KeyInfo& row, Upstream& upstream) {
            std::map<std::string, std::size_t> seen;
            std::size_t index = 0;
            for (const Value& element : read_list(value, row)) {
              Entry entry;
              if (element.is_map()) {
                entry_table().read(element, entry);
                check_keys(element);
              } else {
                read_url(element, entry.endpoint);
              }
              check_repeated(element, entry, index++, seen);
              add(element, std::move(entry), upstream);
            }
          }};
}

const Table<Resolver>& resolver_table() {
  static const Table<Resolver> table{
      parsed_list("nameservers", &Resolver::nameservers, parse_nameserver, "addresses of name servers such as 127.0.0.1:8600"),
      duration("timeout", &Resolver::timeout, 1),
  };
  return table;
}

std::string Discovery::text() const {
  const std::string scheme = https ? "https " : "http ";
  return scheme + (kind == Kind::srv ? "srv " + name : "dns " + name + ":" + std::to_string(port));
}

bool Upstream::uses_https() const {
  const auto is_https = [](const auto& one) { return one.https; };
  return std::any_of(endpoints.begin(), endpoints.end(), is_https) || std::any_of(discoveries.begin(), discoveries.end(), is_https);
}

}  // namespace sluice::config
