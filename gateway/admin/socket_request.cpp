#include "gateway/admin/socket_request.h"

#include <algorithm>
#include <vector>

#include "config/address.h"
#include "config/suggestion.h"
#include "config/syntax.h"
#include "config/value_text.h"
#include "gateway/http/query.h"
#include "gateway/websocket/frame.h"

namespace sluice::admin {
namespace {

using config::Fault;

constexpr std::chrono::hours kLongestSpread{24};
constexpr std::uint64_t kFastest = 1'000'000'000;
constexpr std::size_t kLongestReason = 123;  // RFC 6455 5.5.1: with the code, what a Close has room for

struct Parameter {
  std::string_view name;
  std::string_view expected;
  bool (*read)(const std::string& text, SocketRequest& request);
};

bool read_duration(const std::string& text, std::optional<std::chrono::milliseconds>& result) {
  result = config::parse_duration(text);
  return result.has_value();
}

bool read_name(const std::string& text, std::optional<std::string>& result) {
  result = text;
  return !text.empty();
}

// A host and port alone would be an endpoint's name nowhere, and find nothing.
bool looks_like_url(const std::string& text) { return text.find("://") != std::string::npos || text.starts_with("unix:"); }

// Those that say no more than that the gateway lets go (as for websocket.drain.code), and 1008, policy.
bool is_operators_code(std::uint64_t code) {
  return code == 1000 || code == 1001 || code == 1008 || code == 1012 || code == 1013 || (code >= 3000 && code <= 4999);
}

const std::vector<Parameter> kFilters = {
    {"route", "the name of a route", [](const std::string& text, SocketRequest& request) { return read_name(text, request.filter.route); }},
    {"client", "an IP address or a block such as 10.0.0.0/8",
     [](const std::string& text, SocketRequest& request) { return !config::parse_cidr(text, request.filter.client.emplace()); }},
    {"endpoint", "the URL of an endpoint as /status tells it, such as http://10.0.0.1:8000",
     [](const std::string& text, SocketRequest& request) { return looks_like_url(text) && read_name(text, request.filter.endpoint); }},
    {"older_than", "a duration such as 1h",
     [](const std::string& text, SocketRequest& request) { return read_duration(text, request.filter.older_than); }},
    {"idle_for", "a duration such as 5m",
     [](const std::string& text, SocketRequest& request) { return read_duration(text, request.filter.idle_for); }},
    {"faster_than", "a number of messages a second, such as 100",
     [](const std::string& text, SocketRequest& request) {
       request.filter.faster_than = config::parse_whole_number(text);
       return request.filter.faster_than && *request.filter.faster_than <= kFastest;
     }},
};

const Parameter kLimit = {"limit", "a number from 1 to 10000", [](const std::string& text, SocketRequest& request) {
                            request.limit = config::parse_whole_number(text).value_or(0);
                            return request.limit >= 1 && request.limit <= SocketRequest::kMostShown;
                          }};

const std::vector<Parameter> kClosing = {
    {"code", "1000, 1001, 1008, 1012, 1013 or 3000 to 4999",
     [](const std::string& text, SocketRequest& request) {
       const std::uint64_t code = config::parse_whole_number(text).value_or(0);
       request.code = static_cast<std::uint16_t>(is_operators_code(code) ? code : 0);
       return request.code != 0;
     }},
    {"reason", "a text in UTF-8 of at most 123 bytes, without control characters",
     [](const std::string& text, SocketRequest& request) {
       request.reason = text;
       return text.size() <= kLongestReason && websocket::is_utf8(text) && !config::has_control_characters(text);
     }},
    {"over", "a duration of at most 24h, such as 20s",
     [](const std::string& text, SocketRequest& request) {
       request.over = config::parse_duration(text).value_or(kLongestSpread + std::chrono::seconds(1));
       return request.over <= kLongestSpread;
     }},
    {"all", "true",
     [](const std::string& text, SocketRequest& request) {
       request.all = true;
       return text == "true";
     }},
};

const Parameter kTime = {"for", "a duration from 1s to 10m", [](const std::string& text, SocketRequest& request) {
                           request.time = config::parse_duration(text).value_or(std::chrono::milliseconds(0));
                           return request.time >= std::chrono::seconds(1) && request.time <= std::chrono::minutes(10);
                         }};

Fault read_parameters(std::string_view query, const std::vector<Parameter>& known, SocketRequest& request) {
  Fault fault;
  std::vector<std::string_view> seen;
  http::any_parameter(query, [&](std::string_view name, std::string_view value) {
    const auto found = std::find_if(known.begin(), known.end(), [name](const Parameter& one) { return one.name == name; });
    if (found == known.end()) {
      std::vector<std::string> names;
      for (const Parameter& one : known) names.emplace_back(one.name);
      fault = "unknown parameter " + config::in_quotes(std::string(name)) + "; " + config::hint(std::string(name), names);
    } else if (std::find(seen.begin(), seen.end(), found->name) != seen.end()) {
      fault = std::string(found->name) + " is given twice; expected one value";
    } else if (!found->read(std::string(value), request)) {
      fault = std::string(found->name) + " is " + config::in_quotes(std::string(value)) + "; expected " + std::string(found->expected);
    }
    if (!fault) seen.push_back(found->name);
    return fault.has_value();
  });
  return fault;
}

}  // namespace

Fault parse_listing(std::string_view query, SocketRequest& request) {
  std::vector<Parameter> known = kFilters;
  known.push_back(kLimit);
  return read_parameters(query, known, request);
}

Fault parse_closing(std::string_view query, SocketRequest& request) {
  std::vector<Parameter> known = kFilters;
  known.insert(known.end(), kClosing.begin(), kClosing.end());
  if (Fault fault = read_parameters(query, known, request)) return fault;
  if (request.all && !request.filter.empty()) return "all=true stands together with a filter; expected the one or the other";
  if (!request.all && request.filter.empty()) return "nothing says which are meant; expected a filter such as route=NAME, or all=true";
  return {};
}

Fault parse_tap(std::string_view query, SocketRequest& request) { return read_parameters(query, {kTime}, request); }

}  // namespace sluice::admin
