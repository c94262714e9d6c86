#include "gateway/commands/trial_request.h"

#include <algorithm>

#include "config/address.h"
#include "gateway/http/headers.h"
#include "gateway/http/uri.h"

namespace sluice::commands {
namespace {

constexpr char kExpected[] = "; expected a URL such as https://app.example.com/path";

struct Scheme {
  std::string_view name;
  bool secure;
  bool upgrade;
  std::uint16_t port;
};
constexpr Scheme kSchemes[] = {{"http", false, false, 80},
                               {"https", true, false, 443},
                               {"ws", false, true, 80},
                               {"wss", true, true, 443}};

// The key is the one of RFC 6455 1.3.
constexpr std::pair<const char*, const char*> kHandshake[] = {
    {"Connection", "Upgrade"},
    {"Upgrade", "websocket"},
    {"Sec-WebSocket-Version", "13"},
    {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};

// Line ends would make another request of it, spaces another request line.
void require_one_word(const char* what, const std::string& text) {
  const bool bad = text.empty() || std::any_of(text.begin(), text.end(), [](char c) {
                     return static_cast<unsigned char>(c) <= ' ' || c == 0x7F;
                   });
  if (bad) {
    throw InputError(std::string(what) + " \"" + text +
                     "\" is empty or has spaces or control characters; expected them percent-encoded");
  }
}

const Scheme& scheme_of(const std::string& url) {
  const std::size_t end = url.find("://");
  const std::string_view name = std::string_view(url).substr(0, end);
  for (const Scheme& scheme : kSchemes) {
    if (end != std::string::npos && http::equals_ignore_case(name, scheme.name)) return scheme;
  }
  throw InputError("\"" + url + "\" does not start with http://, https://, ws:// or wss://" + kExpected);
}

std::string name_of(const std::string& header) {
  const std::size_t colon = header.find(':');
  const bool one_line = header.find_first_of(std::string("\r\n\0", 3)) == std::string::npos;
  if (colon == std::string::npos || colon == 0 || !one_line) {
    throw InputError("-H \"" + header + "\" is not a header; expected one line such as 'Name: value'");
  }
  return header.substr(0, colon);
}

void parse_host(const std::string& authority, TrialRequest& request) {
  const std::optional<http::Authority> parts = http::parse_authority(authority);
  if (!parts) throw InputError("\"" + authority + "\" is not a host, or host:port" + kExpected);
  request.host = parts->host;
  request.port = parts->port;
  std::uint8_t bytes[16];
  bool v6 = false;
  request.host_is_ip = config::parse_ip(request.host, bytes, v6);
}

}  // namespace

TrialRequest make_request(const std::string& method, const std::string& url,
                          const std::vector<std::string>& headers) {
  require_one_word("the method", method);
  require_one_word("the URL", url);
  const Scheme& scheme = scheme_of(url);
  std::string rest = url.substr(scheme.name.size() + 3);
  rest.erase(std::min(rest.find('#'), rest.size()));  // no client sends the fragment
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  TrialRequest request;
  request.secure = scheme.secure;
  std::string authority = rest.substr(0, authority_end);
  parse_host(authority, request);
  // Clients leave the default port out of Host.
  if (request.port == scheme.port) authority.erase(authority.rfind(':'));

  std::string target = rest.substr(authority_end);
  if (target.empty() || target.front() == '?') target.insert(0, "/");
  std::vector<std::string> names;
  for (const std::string& header : headers) names.push_back(name_of(header));
  const auto is_given = [&names](std::string_view name) {
    return std::any_of(names.begin(), names.end(),
                       [name](const std::string& given) { return http::equals_ignore_case(given, name); });
  };
  request.head = method + " " + target + " HTTP/1.1\r\n";
  if (!is_given("Host")) request.head += "Host: " + authority + "\r\n";
  for (const std::string& header : headers) request.head += header + "\r\n";
  for (const auto& [name, value] : kHandshake) {
    if (scheme.upgrade && !is_given(name))
      request.head.append(name).append(": ").append(value).append("\r\n");
  }
  request.head += "\r\n";
  return request;
}

}  // namespace sluice::commands
