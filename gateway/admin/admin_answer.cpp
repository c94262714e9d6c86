#include "gateway/admin/admin_answer.h"

#include <openssl/crypto.h>

#include "gateway/http/uri.h"

namespace sluice::admin {
namespace {

// DNS rebinding needs a name: an address or localhost cannot be somebody else's.
bool host_is_ours(std::string_view text) {
  const std::optional<http::Authority> authority = http::parse_authority(text);
  if (!authority) return false;
  std::uint8_t bytes[16];
  bool v6 = false;
  return http::equals_ignore_case(authority->host, "localhost") || config::parse_ip(std::string(authority->host), bytes, v6);
}

bool origin_is_ours(const http::RequestHead& request) {
  const std::optional<std::string_view> origin = request.headers.find("Origin");
  if (!origin) return true;
  const std::string expected = "http://" + std::string(request.authority);
  return http::equals_ignore_case(*origin, expected);
}

bool has_token(const http::RequestHead& request, const std::string& token) {
  static constexpr std::string_view kScheme = "Bearer ";
  const std::string_view value = request.headers.find("Authorization").value_or("");
  if (value.size() != kScheme.size() + token.size()) return false;
  if (!http::equals_ignore_case(value.substr(0, kScheme.size()), kScheme)) return false;
  return CRYPTO_memcmp(value.data() + kScheme.size(), token.data(), token.size()) == 0;
}

AdminReply plain(unsigned status, std::string body) {
  AdminReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

AdminReply token_is_missing() { return plain(401, "Send the admin token as `Authorization: Bearer TOKEN`.\n"); }

Task change_at(std::string_view path) {
  if (path == "/reload") return Task::reload;
  return path == "/drain" ? Task::drain : Task::none;
}

AdminReply wrong_method(std::string_view allow, std::string body) {
  AdminReply reply = plain(405, std::move(body));
  reply.allow = allow;
  return reply;
}

// The token, or where there is none what no page can send.
std::optional<AdminReply> refusal_of_change(const http::RequestHead& request, const std::string& token, bool authorized) {
  if (!token.empty() && !authorized) return token_is_missing();
  if (!token.empty() || request.headers.find(kOwnField)) return std::nullopt;
  return plain(403, std::string("Send a field `") + kOwnField + ": 1`; web pages cannot, so this request is no page's.\n");
}

AdminReply answer_to_change(const http::RequestHead& request, Task change, const std::string& token, bool authorized) {
  if (request.method != "POST") return wrong_method("POST", "This changes something; use POST.\n");
  if (std::optional<AdminReply> refusal = refusal_of_change(request, token, authorized)) return std::move(*refusal);
  AdminReply reply;
  reply.task = change;
  return reply;
}

constexpr std::string_view kSockets = "/sockets";

constexpr std::string_view kTap = "/tap";

AdminReply no_id() { return plain(404, "An id has 32 hex digits in lower case, as /sockets and the access log tell it.\n"); }

bool is_about_sockets(std::string_view path) { return path == kSockets || path.starts_with("/sockets/"); }

// /sockets/ID/tap. Looking at other people's messages is for those who may change things; and a page could take the places.
AdminReply answer_to_tap(const http::RequestHead& request, std::string_view id, const std::string& token, bool authorized) {
  if (request.method != "GET") return wrong_method("GET", "Only GET is served here.\n");
  if (std::optional<AdminReply> refusal = refusal_of_change(request, token, authorized)) return std::move(*refusal);
  AdminReply reply;
  reply.sockets.filter.id = websocket::SocketId::parse(id);
  if (!reply.sockets.filter.id) return no_id();
  if (const config::Fault fault = parse_tap(request.query, reply.sockets)) return plain(400, *fault + "\n");
  reply.task = Task::tap_socket;
  return reply;
}

// /sockets and /sockets/ID.
AdminReply answer_to_sockets(const http::RequestHead& request, const std::string& token, bool authorized) {
  if (request.path.ends_with(kTap)) {
    const std::string_view id = request.path.substr(0, request.path.size() - kTap.size());
    return answer_to_tap(request, id.substr(std::min(id.size(), kSockets.size() + 1)), token, authorized);
  }
  const bool closes = request.method == "DELETE";
  if (!closes && request.method != "GET" && request.method != "HEAD") {
    return wrong_method("GET, HEAD, DELETE", "GET shows WebSockets, DELETE closes them.\n");
  }
  if (!token.empty() && !authorized) return token_is_missing();
  if (closes) {
    if (std::optional<AdminReply> refusal = refusal_of_change(request, token, authorized)) return std::move(*refusal);
  }
  AdminReply reply;
  if (request.path != kSockets) {
    const std::string_view id = request.path.substr(kSockets.size() + 1);
    reply.sockets.filter.id = websocket::SocketId::parse(id);
    if (!reply.sockets.filter.id) return no_id();
  }
  const config::Fault fault = closes ? parse_closing(request.query, reply.sockets) : parse_listing(request.query, reply.sockets);
  if (fault) return plain(400, *fault + "\n");
  reply.task = closes ? Task::close_sockets : Task::list_sockets;
  return reply;
}

}  // namespace

AdminReply answer(const http::RequestHead& request, const config::Admin& settings, const AdminSources& sources) {
  const bool authorized = !settings.token.empty() && has_token(request, settings.token);
  if (!authorized && !host_is_ours(request.authority)) {
    return plain(403, "The Host field names another host; use the address or localhost.\n");
  }
  if (!origin_is_ours(request)) return plain(403, "Requests from other origins are refused.\n");
  if (const Task change = change_at(request.path); change != Task::none) {
    return answer_to_change(request, change, settings.token, authorized);
  }
  if (is_about_sockets(request.path)) return answer_to_sockets(request, settings.token, authorized);
  if (request.method != "GET" && request.method != "HEAD") return plain(405, "Only GET and HEAD are served here.\n");
  if (request.path == "/healthz") {
    std::string problem = sources.unhealthy();
    return problem.empty() ? plain(200, "ok\n") : plain(503, problem + "\n");
  }
  if (request.path == "/readyz") return sources.ready() ? plain(200, "ready\n") : plain(503, "draining\n");
  if (!settings.token.empty() && !authorized) return token_is_missing();
  AdminReply reply;
  if (request.path == "/metrics") {
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    reply.body = sources.metrics();
  } else if (request.path == "/status") {
    reply.task = Task::status;
  } else {
    return plain(404, "Served here: /metrics /healthz /readyz /status /sockets /sockets/ID /sockets/ID/tap, DELETE of /sockets /sockets/ID, "
                 "POST to /reload /drain\n");
  }
  return reply;
}

}  // namespace sluice::admin
