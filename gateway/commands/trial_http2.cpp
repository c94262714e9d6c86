#include "gateway/commands/trial_http2.h"

#include <algorithm>
#include <string>

#include "gateway/commands/trial_request.h"
#include "gateway/http/characters.h"
#include "gateway/http2/request_builder.h"
#include "gateway/http2/response_fields.h"
#include "gateway/sessions/extended_connect.h"

namespace sluice::commands {
namespace {

constexpr std::string_view kKey = "Sec-WebSocket-Key";

bool is_handshake(const http::RequestHead& request) {
  return request.method == "GET" && request.headers.has_token("Connection", "Upgrade") && request.headers.has_token("Upgrade", "websocket");
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), http::to_lower);
  return lower;
}

void add_fields(http2::RequestBuilder& builder, const http::Headers& headers, bool handshake) {
  for (const http::Field& field : headers) {
    if (http::equals_ignore_case(field.name, "Host")) continue;  // it is ":authority"
    if (handshake && http::equals_ignore_case(field.name, kKey)) continue;
    if (http2::is_of_one_connection(field.name)) {
      if (handshake) continue;
      throw InputError("-H \"" + std::string(field.name) + "\" is of HTTP/1.1 alone, and the client speaks HTTP/2");
    }
    builder.add(lower_case(field.name), field.value);
  }
}

}  // namespace

http::ParseError read_as_http2(const http::RequestHead& written, bool secure, const config::Limits& limits, http::RequestHead& head) {
  const bool handshake = is_handshake(written);
  http2::RequestBuilder builder;
  builder.begin({limits.max_request_line, limits.http2.max_header_list, limits.max_headers});
  builder.add(":method", handshake ? "CONNECT" : written.method);
  if (handshake) builder.add(":protocol", "websocket");
  builder.add(":scheme", secure ? "https" : "http");
  builder.add(":authority", written.authority);
  builder.add(":path", written.target);
  add_fields(builder, written.headers, handshake);
  const http::ParseError error = builder.finish(head, !handshake && written.body.kind == http::BodyKind::none);
  if (error != http::ParseError::none) {
    head.clear();  // nothing in it is believed
    head.version = http::Version::http_2;
  } else if (handshake) {
    sessions::make_upgrade(head);
    // A key of the gateway's own is by chance; the one that was written stands for it.
    if (const auto key = written.headers.find(kKey)) head.headers.set(kKey, *key);
  }
  return error;
}

}  // namespace sluice::commands
