// A request that came in, went through the proxy's header stages and was written for the backend is read
// there as the same request: same method, path and body length; nothing of the client's connection, nothing
// that the client says of itself in the gateway's own fields, and no field lost that the gateway must keep.
// The same for a response.
#include <string>

#include "config/interpolation.h"
#include "config/syntax.h"
#include "gateway/http/hop_by_hop.h"
#include "gateway/http/uri.h"
#include "gateway/http1/request_parser.h"
#include "gateway/http1/response_parser.h"
#include "gateway/http1/serializer.h"
#include "gateway/proxy/forward_headers.h"
#include "tests/fuzz/check.h"
#include "tests/support/fake_exchange.h"

namespace {

using namespace sluice;
using http::BodyKind;
using http1::HeadResult;

const http1::HeadLimits kWide{.max_line = 1 << 20, .max_head = 1 << 20, .max_headers = 1000};

// `NAME: VALUE` with variables, as the configuration takes it; lines without a good name are left out.
config::HeaderOperations operations_from(std::string_view text, config::HeaderDirection direction) {
  config::HeaderOperations operations;
  fuzz::for_each_line(text, [&](std::string_view line) {
    if (line.size() < 2) return;
    const std::size_t colon = line.find(':');
    const std::string name(line.substr(1, colon == std::string_view::npos ? colon : colon - 1));
    if (config::check_header_name(name, direction)) return;
    config::HeaderTemplate field{name, {}};
    const std::string value(colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1));
    if (!config::interpolate(value, field.value).empty() || config::has_control_characters(value)) return;
    if (line[0] == '-') operations.remove.push_back(name);
    if (line[0] == '=') operations.set.push_back(field);
    if (line[0] == '+') operations.add.push_back(field);
  });
  return operations;
}

bool is_dropped(std::string_view name) {
  for (const std::string_view other : {"Keep-Alive", "Proxy-Connection", "Proxy-Authenticate",
                                       "Proxy-Authorization", "TE", "Trailer", "HTTP2-Settings"}) {
    if (http::equals_ignore_case(name, other)) return true;
  }
  return false;
}

// The fields that a route's rules do not speak of stay as they are.
bool is_ruled(const config::HeaderOperations& operations, std::string_view name) {
  http::Headers one;
  one.add(name, "");
  return http::equals_ignore_case(name, "Via") || proxy::passable_trailers(one, {}, operations).empty();
}

void check_kept(const http::Headers& before, const http::Headers& after,
                const config::HeaderOperations& operations) {
  for (const std::string_view name : {"Cookie", "Authorization", "Sec-WebSocket-Key", "Content-Length"}) {
    if (!is_ruled(operations, name)) FUZZ_CHECK(after.count(name) == before.count(name));
  }
  for (const http::Field& field : after)
    FUZZ_CHECK(!is_dropped(field.name) || is_ruled(operations, field.name));
}

http::Headers copy_of(const http::Headers& headers) {
  http::Headers copy;
  for (const http::Field& field : headers) copy.add(field.name, field.value);
  return copy;
}

void check_request(std::string_view bytes, bool trusted, const config::HeaderOperations& operations) {
  test::FakeExchange exchange;
  http1::RequestParser parser({});
  exchange.head.clear();
  if (parser.parse(bytes, exchange.head).state != HeadResult::complete || exchange.head.method == "CONNECT")
    return;
  std::string storage;
  const http::NormalizedPath path = http::normalize_path(exchange.head.path, storage);
  if (path.error != http::PathError::none || exchange.head.authority.empty()) return;  // answered 400

  exchange.info.peer_trusted = trusted;
  config::Route route;
  route.name = "r";
  route.request_headers = operations;
  proxy::RouteContext context;
  context.route = &route;
  context.path = path.path;
  context.origin = proxy::origin_of(exchange, 7);
  exchange.record.client_ip = context.origin.client_ip;
  const http::Headers before = copy_of(exchange.head.headers);
  const http::BodyFraming body = exchange.head.body;
  proxy::prepare_request_headers(exchange, context);

  std::string wire;
  const std::string target = std::string(path.path) + std::string(exchange.head.query);
  http1::append_request_head(wire, exchange.head.method, target, exchange.head.headers);
  http1::RequestParser backend(kWide);
  http::RequestHead seen;
  const HeadResult result = backend.parse(wire, seen);
  FUZZ_CHECK(result.state == HeadResult::complete && result.consumed == wire.size());
  FUZZ_CHECK(seen.method == exchange.head.method && seen.path == path.path &&
             seen.query == exchange.head.query);
  FUZZ_CHECK(seen.body.kind == body.kind && seen.body.content_length == body.content_length);
  FUZZ_CHECK(seen.authority == exchange.head.authority);
  FUZZ_CHECK(!seen.headers.contains("Connection") && !seen.headers.contains("Upgrade"));
  for (const http::Field& field : seen.headers) {
    FUZZ_CHECK(field.name.find('_') == std::string_view::npos || is_ruled(operations, field.name));
  }
  check_kept(before, seen.headers, operations);
  if (!trusted && !is_ruled(operations, "X-Forwarded-For"))
    FUZZ_CHECK(*seen.headers.find("X-Forwarded-For") == "192.0.2.7");
  if (!is_ruled(operations, "X-Real-IP"))
    FUZZ_CHECK(*seen.headers.find("X-Real-IP") == context.origin.client_ip);
}

void check_response(std::string_view bytes, const config::HeaderOperations& operations) {
  test::FakeExchange exchange;
  http1::ResponseParser parser({});
  http::ResponseHead response;
  if (parser.parse(bytes, "GET", response).state != HeadResult::complete) return;
  config::Route route;
  route.response_headers = operations;
  proxy::RouteContext context;
  context.route = &route;
  const http::Headers before = copy_of(response.headers);
  const http::BodyFraming body = response.body;
  proxy::prepare_response_headers(exchange, context, response);

  FUZZ_CHECK(!response.headers.contains("Transfer-Encoding") && !response.headers.contains("Connection"));
  FUZZ_CHECK(body.kind == BodyKind::none || !response.headers.contains("Content-Length"));
  FUZZ_CHECK(response.headers.contains("Date") || is_ruled(operations, "Date"));
  for (const http::Field& field : response.headers) FUZZ_CHECK(!is_dropped(field.name));
  // A backend may say that a field is for the gateway alone.
  if (!is_ruled(operations, "Set-Cookie") && !before.has_token("Connection", "Set-Cookie")) {
    FUZZ_CHECK(response.headers.count("Set-Cookie") == before.count("Set-Cookie"));
  }
  if (body.kind == BodyKind::chunked) response.headers.add("Transfer-Encoding", "chunked");
  if (body.kind == BodyKind::length)
    response.headers.add("Content-Length", std::to_string(body.content_length));
  std::string wire;
  http1::append_response_head(wire, response.status, response.reason, response.headers);
  http1::ResponseParser client(kWide);
  http::ResponseHead seen;
  const HeadResult result = client.parse(wire, "GET", seen);
  FUZZ_CHECK(result.state == HeadResult::complete && result.consumed == wire.size());
  FUZZ_CHECK(seen.status == response.status && seen.body.kind == body.kind &&
             seen.body.content_length == body.content_length);
}

}  // namespace

// A first byte, a rule per line (`-NAME`, `=NAME:VALUE`, `+NAME:VALUE`), an empty line, a head.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::as_text(data + 1, size - 1);
  const std::size_t end = text.find("\n\n");
  if (end == std::string_view::npos) return 0;
  const std::string_view head = text.substr(end + 2);
  check_request(head, data[0] % 2 == 1,
                operations_from(text.substr(0, end), config::HeaderDirection::request));
  check_response(head, operations_from(text.substr(0, end), config::HeaderDirection::response));
  return 0;
}
