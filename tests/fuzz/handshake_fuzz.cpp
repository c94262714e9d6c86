// The WebSocket handshake against a second reading of RFC 6455 that shares no code with the first: both must
// accept the same upgrades, and the same answers to them.
#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gateway/http/characters.h"
#include "gateway/websocket/handshake.h"
#include "gateway/websocket/handshake_extensions.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;
using websocket::HandshakeError;
using Words = std::vector<std::string>;

constexpr std::string_view kNames[] = {
    "Connection",
    "Upgrade",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "sec-websocket-extensions",
    "X-Other",
    "Transfer-Encoding",
};
constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 1.3
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), http::to_lower);
  return result;
}

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

Words split(std::string_view text, char separator) {
  Words words;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    words.push_back(trimmed(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return words;
}

// All members of a list field, over all of its lines.
Words members(const http::Headers& headers, std::string_view name) {
  Words all;
  for (const http::Field& field : headers) {
    if (lower(field.name) != lower(name)) continue;
    for (std::string& member : split(field.value, ',')) {
      if (!member.empty()) all.push_back(std::move(member));
    }
  }
  return all;
}

Words values(const http::Headers& headers, std::string_view name) {
  Words all;
  for (const http::Field& field : headers) {
    if (lower(field.name) == lower(name)) all.emplace_back(field.value);
  }
  return all;
}

std::size_t count_ignoring_case(const Words& words, std::string_view wanted) {
  return static_cast<std::size_t>(std::count_if(
      words.begin(), words.end(), [&](const std::string& word) { return lower(word) == wanted; }));
}

bool has(const Words& words, const std::string& wanted) {
  return std::find(words.begin(), words.end(), wanted) != words.end();
}

// A request that RFC 6455 4.2.1 lets through.
bool may_upgrade(const http::RequestHead& request) {
  const Words keys = values(request.headers, "Sec-WebSocket-Key");
  const bool has_body = request.body.kind == http::BodyKind::chunked || request.body.content_length > 0;
  if (request.method != "GET" || request.version != http::Version::http_1_1 || has_body || keys.size() != 1)
    return false;
  const std::string& key = keys[0];
  const bool base64 =
      std::all_of(key.begin(), key.end() - std::min<std::size_t>(2, key.size()),
                  [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '/'; });
  return base64 && key.size() == 24 && key.substr(22) == "==" &&
         count_ignoring_case(members(request.headers, "Connection"), "upgrade") > 0 &&
         count_ignoring_case(members(request.headers, "Upgrade"), "websocket") == 1 &&
         values(request.headers, "Sec-WebSocket-Version") == Words{"13"};
}

struct Extension {
  std::string name;
  Words parameters;
};

std::vector<Extension> extensions(const http::Headers& headers) {
  std::vector<Extension> all;
  for (const std::string& member : members(headers, "Sec-WebSocket-Extensions")) {
    Words parts = split(member, ';');
    all.push_back({parts[0], Words(parts.begin() + 1, parts.end())});
    // A separator at the very end has nothing behind it.
    if (!all.back().parameters.empty() && all.back().parameters.back().empty() && member.back() == ';') {
      all.back().parameters.pop_back();
    }
  }
  return all;
}

std::string name_of(const std::string& parameter) {
  return trimmed(parameter.substr(0, parameter.find('=')));
}

// RFC 7692 7.1: what an answer may say of permessage-deflate to this offer.
bool deflate_fits(const Extension& chosen, const std::vector<Extension>& offered) {
  static const std::set<std::string> kBits = {"8", "9", "10", "11", "12", "13", "14", "15"};
  const bool client_bits_offered = std::any_of(offered.begin(), offered.end(), [](const Extension& offer) {
    return offer.name == "permessage-deflate" &&
           std::any_of(offer.parameters.begin(), offer.parameters.end(), [](const std::string& parameter) {
             return name_of(parameter) == "client_max_window_bits";
           });
  });
  std::set<std::string> seen;
  for (const std::string& parameter : chosen.parameters) {
    const std::string name = name_of(parameter);
    const std::size_t mark = parameter.find('=');
    if (!seen.insert(name).second) return false;
    if (name == "server_no_context_takeover" || name == "client_no_context_takeover") {
      if (mark != std::string::npos) return false;
      continue;
    }
    if (name != "server_max_window_bits" && name != "client_max_window_bits") return false;
    if (name == "client_max_window_bits" && !client_bits_offered) return false;
    std::string value = mark == std::string::npos ? "" : trimmed(parameter.substr(mark + 1));
    if (value.size() > 1 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (kBits.count(value) == 0) return false;
  }
  return true;
}

bool extensions_fit(const http::Headers& request, const http::Headers& response) {
  const std::vector<Extension> offered = extensions(request);
  const std::vector<Extension> chosen = extensions(response);
  std::size_t deflates = 0;
  for (const Extension& one : chosen) {
    const bool known = std::any_of(offered.begin(), offered.end(),
                                   [&](const Extension& offer) { return offer.name == one.name; });
    if (!known) return false;
    if (one.name == "permessage-deflate" && (++deflates > 1 || !deflate_fits(one, offered))) return false;
  }
  return chosen.size() <= 16;
}

// A 101 that answers this request (RFC 6455 4.1), whose key is kKey.
bool answers(const http::RequestHead& request, const http::ResponseHead& response) {
  const Words chosen = values(response.headers, "Sec-WebSocket-Protocol");
  const Words upgrades = members(response.headers, "Upgrade");
  return response.version == http::Version::http_1_1 && upgrades.size() == 1 &&
         lower(upgrades[0]) == "websocket" &&
         count_ignoring_case(members(response.headers, "Connection"), "upgrade") > 0 &&
         values(response.headers, "Sec-WebSocket-Accept") == Words{std::string(kAccept)} &&
         (chosen.empty() ||
          (chosen.size() == 1 && has(members(request.headers, "Sec-WebSocket-Protocol"), chosen[0]))) &&
         extensions_fit(request.headers, response.headers);
}

// One field per line: its first byte chooses the name, the rest is the value. What no parser lets through is
// left out.
void add_line(http::Headers& headers, std::string_view line) {
  if (line.empty()) return;
  const std::string value = trimmed(line.substr(1));
  if (!http::all_of(http::kFieldValue, value)) return;
  headers.add(kNames[static_cast<unsigned char>(line[0]) % std::size(kNames)], value);
}

void check(const http::RequestHead& request, const http::ResponseHead& response) {
  const HandshakeError asked = websocket::check_request(request);
  FUZZ_CHECK((asked == HandshakeError::none) == may_upgrade(request));
  if (asked == HandshakeError::none)
    FUZZ_CHECK(websocket::upgrade_kind(request) == websocket::UpgradeKind::websocket);
  const HandshakeError answered = websocket::check_response(request, response);
  if (asked == HandshakeError::none) {
    const bool expected =
        values(request.headers, "Sec-WebSocket-Key")[0] == kKey && answers(request, response);
    if (expected) FUZZ_CHECK(answered == HandshakeError::none);
    // Another key's answer could only be right by guessing a hash.
    if (answered == HandshakeError::none && !expected) {
      FUZZ_CHECK(values(request.headers, "Sec-WebSocket-Key")[0] != kKey);
    }
  }
  FUZZ_CHECK(websocket::extensions_were_offered(request.headers, response.headers) ==
             extensions_fit(request.headers, response.headers));
  for (const HandshakeError error : {asked, answered}) {
    FUZZ_CHECK(!websocket::name_of(error).empty() && !websocket::describe(error).empty());
    FUZZ_CHECK(websocket::status_of(error) == 101 || websocket::status_of(error) >= 400);
  }
}

}  // namespace

// The first byte: which parts come valid without a line of the input, so that the rest is reached. Lines that
// begin with '<' are the backend's.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned flags = data[0];
  http::RequestHead request;
  http::ResponseHead response;
  request.method = (flags & 8U) != 0 ? "POST" : "GET";
  request.target = request.path = "/";
  if ((flags & 16U) != 0) request.version = http::Version::http_1_0;
  if ((flags & 32U) != 0) request.body = {http::BodyKind::length, flags >> 7U};
  response.status = 101;
  if ((flags & 64U) != 0) response.version = http::Version::http_1_0;
  if ((flags & 1U) != 0) {
    request.headers.add("Connection", "keep-alive, Upgrade");
    request.headers.add("Upgrade", "WebSocket");
    request.headers.add("Sec-WebSocket-Version", "13");
  }
  if ((flags & 2U) != 0) request.headers.add("Sec-WebSocket-Key", kKey);
  if ((flags & 4U) != 0) {
    response.headers.add("connection", "upgrade");
    response.headers.add("upgrade", "websocket");
    response.headers.add("Sec-WebSocket-Accept", kAccept);
  }
  fuzz::for_each_line(fuzz::as_text(data + 1, size - 1), [&](std::string_view line) {
    if (line.starts_with('<')) {
      add_line(response.headers, line.substr(1));
    } else {
      add_line(request.headers, line);
    }
  });
  // As the parser does: never both.
  if (request.headers.contains("Transfer-Encoding")) request.body = {http::BodyKind::chunked, 0};
  check(request, response);
  return 0;
}
