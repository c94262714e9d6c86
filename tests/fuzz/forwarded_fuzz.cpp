// Whatever the forwarding fields say, the client is an address, strangers are not believed, and what is
// written reads back.
#include <string>
#include <vector>

#include "gateway/http/characters.h"
#include "gateway/http/forwarded.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;

constexpr std::string_view kNames[] = {
    "X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP",
    "X-Request-Id",    "Via",       "X-Forwarded-Port"};

// One field per line of the input; its first byte chooses the name. What no parser lets through is left out.
http::Headers fields_of(std::string_view text) {
  http::Headers headers;
  fuzz::for_each_line(text, [&headers](std::string_view line) {
    if (line.empty() || !http::all_of(http::kFieldValue, line)) return;
    headers.add(kNames[static_cast<unsigned char>(line[0]) % std::size(kNames)], line.substr(1));
  });
  return headers;
}

bool is_address(std::string_view text) {
  std::uint8_t bytes[16];
  bool v6 = false;
  return config::parse_ip(std::string(text), bytes, v6);
}

config::Cidr private_block() {
  config::Cidr block;
  block.bytes[0] = 10;
  block.prefix_length = 8;
  return block;
}

void check(std::string_view text, const http::Peer& peer) {
  const std::vector<config::Cidr> trusted = {private_block()};
  http::Headers headers = fields_of(text);
  const http::Origin origin = http::find_origin(headers, peer, trusted, "new");
  FUZZ_CHECK(is_address(origin.client_ip));
  FUZZ_CHECK(origin.scheme == "http" || origin.scheme == "https");
  FUZZ_CHECK(!origin.request_id.empty() && origin.request_id.size() <= 128);
  if (!peer.trusted) FUZZ_CHECK(origin.client_ip == peer.address && origin.request_id == "new");

  http::set_forwarding_fields(headers, peer, origin, "1.1");
  for (const char* name :
       {"X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Real-IP", "X-Request-Id", "Via"}) {
    FUZZ_CHECK(headers.count(name) == 1);
  }
  // The next gateway, which trusts this one as we trust our peer, must find what we found.
  FUZZ_CHECK(headers.find("X-Real-IP") == origin.client_ip);
  const http::Peer self{"10.9.9.9", "http", "next.example", true};
  const http::Origin seen = http::find_origin(headers, self, trusted, "other");
  FUZZ_CHECK(seen.client_ip == origin.client_ip && seen.scheme == origin.scheme && seen.host == origin.host);
  FUZZ_CHECK(seen.request_id == origin.request_id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  check(text, {"192.0.2.7", "https", "app.example", false});
  check(text, {"10.0.0.1", "http", "app.example", true});
  return 0;
}
