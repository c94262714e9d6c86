// The PROXY header at the beginning of a connection: what is known of a part holds for the whole, a header is within its bounds, and
// what it tells reads the same when the other half of the gateway writes it.
#include "gateway/sessions/proxy_header.h"

#include <cstring>
#include <string>

#include "tests/fuzz/check.h"
#include "upstream/proxy_header.h"

namespace sluice {
namespace {

using sessions::parse_proxy_header;
using sessions::ProxyHeader;
using State = ProxyHeader::State;

bool same(const ProxyHeader& one, const ProxyHeader& two) {
  if (one.state != two.state || one.size != two.size || one.local != two.local || one.client.has_value() != two.client.has_value()) {
    return false;
  }
  return !one.client || (one.client->v6 == two.client->v6 && one.client->port == two.client->port &&
                         std::memcmp(one.client->bytes, two.client->bytes, sizeof one.client->bytes) == 0);
}

// Once something is known, more bytes change nothing.
void check_split(std::string_view text, const ProxyHeader& whole) {
  fuzz::Pieces pieces(text);
  for (std::size_t seen = 0; seen < text.size();) {
    seen += pieces.next(text.size() - seen);
    const ProxyHeader part = parse_proxy_header(text.substr(0, seen));
    if (part.state == State::incomplete) continue;
    FUZZ_CHECK(same(part, whole));
  }
}

void check_written_anew(const ProxyHeader& header) {
  upstream::ProxyAddress client, local;
  std::memcpy(client.bytes, header.client->bytes, sizeof client.bytes);
  client.v6 = header.client->v6;
  client.port = header.client->port;
  for (const bool v6 : {false, true}) {
    local.v6 = v6;
    for (const auto version : {config::SendProxyProtocol::v1, config::SendProxyProtocol::v2}) {
      const std::string text = upstream::proxy_header(version, client, local);
      ProxyHeader again = parse_proxy_header(text + "GET / HTTP/1.1\r\n");
      FUZZ_CHECK(again.size == text.size());
      again.size = header.size;
      FUZZ_CHECK(same(again, header));
    }
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const std::string_view text = fuzz::as_text(data, size);
  const ProxyHeader whole = parse_proxy_header(text);
  check_split(text, whole);
  FUZZ_CHECK(whole.state != State::incomplete || size < ProxyHeader::kMaxSize);
  FUZZ_CHECK(whole.state == State::complete || (whole.size == 0 && !whole.client && !whole.local));
  if (whole.state != State::complete) return 0;
  FUZZ_CHECK(whole.size <= size && whole.size <= ProxyHeader::kMaxSize);
  FUZZ_CHECK(!whole.local || !whole.client);
  if (whole.client) check_written_anew(whole);
  return 0;
}
