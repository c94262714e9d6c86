// The Origin of a page against a route's list, and a second reading of both that shares no code with the first: an origin passes
// when, and only when, some entry is it. What may be listed is written as it reads, and a page of that very origin passes.
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "config/origin.h"
#include "gateway/http/characters.h"
#include "gateway/websocket/handshake_origin.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;

constexpr std::string_view kScheme = "https", kHost = "Gateway.example:8443";  // of the request

std::string lower(std::string text) {
  for (char& c : text) c = http::to_lower(c);
  return text;
}

struct Plain {
  std::string scheme, host, port;
};

// Scheme, host and port, as regular expressions tell them. IPv6 stays with its brackets.
std::optional<Plain> read(const std::string& text) {
  static const std::regex kOrigin(R"(([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::0*([1-9][0-9]*))?)");
  std::smatch parts;
  const std::string folded = lower(text);
  if (!std::regex_match(folded, parts, kOrigin)) return std::nullopt;
  Plain plain{parts[1], parts[2], parts[3]};
  if (plain.port.empty() && plain.scheme == "https") plain.port = "443";
  if (plain.port.empty() && plain.scheme == "http") plain.port = "80";
  return plain;
}

bool is(const Plain& page, const config::AllowedOrigin& entry) {
  const std::string text = config::origin_text(entry);
  if (text == "same") {
    const std::optional<Plain> own = read(std::string(kScheme) + "://" + std::string(kHost));
    return page.scheme == own->scheme && page.host == own->host && page.port == own->port;
  }
  const std::size_t star = text.find("://*.");
  if (star == std::string::npos) {
    const std::optional<Plain> one = read(text);
    return one && page.scheme == one->scheme && page.host == one->host && page.port == one->port;
  }
  const std::optional<Plain> base = read(text.substr(0, star + 3) + text.substr(star + 5));
  if (!base || page.scheme != base->scheme || page.port != base->port) return false;
  const std::string end = "." + base->host;
  return page.host.size() > end.size() && page.host.compare(page.host.size() - end.size(), end.size(), end) == 0;
}

bool passes(const std::vector<config::AllowedOrigin>& list, std::string_view origin) {
  http::Headers headers;
  headers.add("origin", origin);
  const http::Origin request{"192.0.2.1", kScheme, kHost, "id"};
  return websocket::origin_allowed(list, headers, request);
}

void check_entry(const config::AllowedOrigin& entry) {
  const std::string text = config::origin_text(entry);
  config::AllowedOrigin again;
  FUZZ_CHECK(!config::parse_allowed_origin(text, again) && again == entry);
  const std::size_t star = text.find("://*.");
  if (text == "same") {
    FUZZ_CHECK(passes({entry}, "https://gateway.example:8443"));
  } else if (star == std::string::npos) {
    FUZZ_CHECK(passes({entry}, text));
  } else {
    FUZZ_CHECK(passes({entry}, text.substr(0, star + 3) + "a.b" + text.substr(star + 4)));
    FUZZ_CHECK(!passes({entry}, text.substr(0, star + 3) + text.substr(star + 5)));
  }
}

}  // namespace

// Each line is an entry of the list, the last one the page's Origin.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 512) return 0;  // the expressions recurse
  std::vector<config::AllowedOrigin> list;
  std::string origin;
  fuzz::for_each_line(fuzz::as_text(data, size), [&](std::string_view line) {
    origin = line;
    config::AllowedOrigin entry;
    if (const config::Fault fault = config::parse_allowed_origin(origin, entry)) {
      FUZZ_CHECK(!fault->empty() && fault->find('\n') == std::string::npos);
    } else {
      check_entry(list.emplace_back(entry));
    }
  });
  if (list.empty() || !http::all_of(http::kFieldValue, origin)) return 0;
  const std::optional<Plain> page = read(origin);
  bool expected = false;
  for (const config::AllowedOrigin& entry : list) expected = expected || (page && is(*page, entry));
  // What else a host may not be (empty labels, addresses that are none, ports beyond 65535) only makes it stricter.
  if (passes(list, origin)) FUZZ_CHECK(expected);
  const bool plain_host =
      page && page->host.find("..") == std::string::npos && page->host.front() != '.' && page->host.front() != '[';
  if (expected && plain_host) FUZZ_CHECK(passes(list, origin) || origin.find(":0") != std::string::npos);
  return 0;
}
