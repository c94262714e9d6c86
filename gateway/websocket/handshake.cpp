#include "gateway/websocket/handshake.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "gateway/http/headers.h"
#include "gateway/websocket/handshake_extensions.h"

namespace sluice::websocket {
namespace {

struct ErrorText {
  std::string_view name;
  std::string_view description;
  unsigned status;
};

// In the order of HandshakeError.
constexpr std::array<ErrorText, static_cast<std::size_t>(HandshakeError::count_)> kErrors{{
    {"none", "the handshake is valid", 101},
    {"not_get", "a WebSocket handshake must be a GET request", 400},
    {"not_http_1_1", "a WebSocket handshake must be an HTTP/1.1 request", 400},
    {"has_body", "a WebSocket handshake must not have a body", 400},
    {"missing_connection_upgrade", "a WebSocket handshake needs Connection: Upgrade and Upgrade: websocket",
     400},
    {"repeated_upgrade", "the Upgrade field lists websocket more than once", 400},
    {"bad_version", "only version 13 of the WebSocket protocol is supported", 426},
    {"missing_key", "the Sec-WebSocket-Key field is missing", 400},
    {"repeated_key", "the Sec-WebSocket-Key field is repeated", 400},
    {"bad_key", "the Sec-WebSocket-Key field is not the base64 form of 16 bytes", 400},
    {"old_response", "the backend's 101 is not an HTTP/1.1 response", 502},
    {"bad_upgrade", "the Upgrade field of the backend's 101 is not exactly websocket", 502},
    {"bad_connection", "the Connection field of the backend's 101 does not name Upgrade", 502},
    {"bad_accept", "the Sec-WebSocket-Accept field of the backend's 101 does not match the key", 502},
    {"unoffered_subprotocol", "the backend's 101 chose a subprotocol that was not offered", 502},
    {"unoffered_extension", "the backend's 101 chose an extension or a parameter that was not offered", 502},
    {"unasked", "the backend answered 101 to a request that was no WebSocket upgrade", 502},
}};

const ErrorText& text_of(HandshakeError error) noexcept { return kErrors[static_cast<std::size_t>(error)]; }

constexpr std::string_view kWebSocket = "websocket";

// What follows the key before hashing (RFC 6455 1.3).
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kSha1Size = 20;
constexpr std::size_t kKeySize = 16, kKeyDigits = 22;  // and two of padding
constexpr std::size_t kAcceptSize = 28;

struct UpgradeTokens {
  std::size_t websocket = 0;
  std::size_t other = 0;
};

UpgradeTokens count_upgrade_tokens(const http::Headers& headers) noexcept {
  UpgradeTokens tokens;
  for (const http::Field& field : headers) {
    if (!http::equals_ignore_case(field.name, "Upgrade")) continue;
    http::for_each_list_member(field.value, [&](std::string_view token) {
      ++(http::equals_ignore_case(token, kWebSocket) ? tokens.websocket : tokens.other);
    });
  }
  return tokens;
}

bool connection_upgrades(const http::Headers& headers) noexcept {
  return headers.has_token("Connection", "upgrade");
}

bool has_body(const http::RequestHead& request) noexcept {
  switch (request.body.kind) {
    case http::BodyKind::none:
      return request.headers.contains("Transfer-Encoding");
    case http::BodyKind::length:
      return request.body.content_length > 0;
    case http::BodyKind::chunked:
    case http::BodyKind::until_close:
      return true;
  }
  return true;
}

bool is_base64_character(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

// The unused bits of the last character may be anything: some clients make their key of 24 random characters,
// and only the text of the key is hashed.
bool is_key(std::string_view key) noexcept {
  return key.size() == kKeyDigits + 2 && key.ends_with("==") &&
         std::all_of(key.begin(), key.begin() + kKeyDigits, is_base64_character);
}

HandshakeError check_key(const http::Headers& headers) noexcept {
  const std::size_t keys = headers.count("Sec-WebSocket-Key");
  if (keys == 0) return HandshakeError::missing_key;
  if (keys > 1) return HandshakeError::repeated_key;
  return is_key(*headers.find("Sec-WebSocket-Key")) ? HandshakeError::none : HandshakeError::bad_key;
}

// The field itself may be missing; present, it must be one of those offered, exactly as written (RFC
// 6455 4.1).
bool subprotocol_was_offered(const http::Headers& request, const http::Headers& response) noexcept {
  const std::optional<std::string_view> chosen = response.find("Sec-WebSocket-Protocol");
  if (!chosen) return true;
  if (response.count("Sec-WebSocket-Protocol") > 1) return false;
  bool offered = false;
  for (const http::Field& field : request) {
    if (!http::equals_ignore_case(field.name, "Sec-WebSocket-Protocol")) continue;
    http::for_each_list_member(field.value,
                               [&](std::string_view name) { offered = offered || name == *chosen; });
  }
  return offered;
}

bool accept_matches(const http::Headers& request, const http::Headers& response) {
  const std::optional<std::string_view> key = request.find("Sec-WebSocket-Key");
  if (!key || response.count("Sec-WebSocket-Accept") != 1) return false;
  const std::string_view accept = *response.find("Sec-WebSocket-Accept");
  // The size first: an empty field must not equal what a failed hash leaves.
  return accept.size() == kAcceptSize && accept == accept_for(*key);
}

}  // namespace

std::string_view name_of(HandshakeError error) noexcept { return text_of(error).name; }
std::string_view describe(HandshakeError error) noexcept { return text_of(error).description; }
unsigned status_of(HandshakeError error) noexcept { return text_of(error).status; }

UpgradeKind upgrade_kind(const http::RequestHead& request) noexcept {
  const UpgradeTokens tokens = count_upgrade_tokens(request.headers);
  const bool asks = connection_upgrades(request.headers);
  if (tokens.websocket > 0 && (asks || request.headers.contains("Sec-WebSocket-Key")))
    return UpgradeKind::websocket;
  return asks && tokens.websocket + tokens.other > 0 ? UpgradeKind::other : UpgradeKind::none;
}

HandshakeError check_request(const http::RequestHead& request) noexcept {
  if (request.method != "GET") return HandshakeError::not_get;
  // On HTTP/2 it was a CONNECT (RFC 8441), which its session has made such a request.
  if (request.version == http::Version::http_1_0) return HandshakeError::not_http_1_1;
  if (has_body(request)) return HandshakeError::has_body;
  const std::size_t websocket_tokens = count_upgrade_tokens(request.headers).websocket;
  if (websocket_tokens == 0 || !connection_upgrades(request.headers)) {
    return HandshakeError::missing_connection_upgrade;
  }
  if (websocket_tokens > 1) return HandshakeError::repeated_upgrade;
  if (request.headers.count("Sec-WebSocket-Version") != 1 ||
      *request.headers.find("Sec-WebSocket-Version") != "13") {
    return HandshakeError::bad_version;
  }
  return check_key(request.headers);
}

std::string make_key() {
  unsigned char bytes[kKeySize];
  RAND_bytes(bytes, sizeof bytes);  // should it fail, no secret is lost: a key only ties an answer to its question
  unsigned char encoded[kKeyDigits + 3];
  EVP_EncodeBlock(encoded, bytes, sizeof bytes);
  return {reinterpret_cast<const char*>(encoded), kKeyDigits + 2};
}

std::string accept_for(std::string_view key) {
  const std::string text = std::string(key).append(kGuid);
  unsigned char digest[EVP_MAX_MD_SIZE];
  if (EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha1(), nullptr) != 1) return {};
  unsigned char encoded[kAcceptSize + 1];
  EVP_EncodeBlock(encoded, digest, kSha1Size);
  return {reinterpret_cast<const char*>(encoded), kAcceptSize};
}

HandshakeError check_response(const http::RequestHead& request, const http::ResponseHead& response) {
  if (!connection_upgrades(request.headers) || count_upgrade_tokens(request.headers).websocket == 0) {
    return HandshakeError::unasked;
  }
  // HTTP/1.0 knows neither 1xx nor Upgrade (RFC 9110 7.8, 15.2); browsers refuse such an answer as well. On HTTP/2 it was a 2xx (RFC 8441),
  // which the gateway has made such an answer.
  if (response.version == http::Version::http_1_0) return HandshakeError::old_response;
  const UpgradeTokens tokens = count_upgrade_tokens(response.headers);
  if (tokens.websocket != 1 || tokens.other != 0) return HandshakeError::bad_upgrade;
  if (!connection_upgrades(response.headers)) return HandshakeError::bad_connection;
  if (!accept_matches(request.headers, response.headers)) return HandshakeError::bad_accept;
  if (!subprotocol_was_offered(request.headers, response.headers))
    return HandshakeError::unoffered_subprotocol;
  if (!extensions_were_offered(request.headers, response.headers)) return HandshakeError::unoffered_extension;
  return HandshakeError::none;
}

}  // namespace sluice::websocket
